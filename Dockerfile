FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=optional
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build -- --sourceMap false --inlineSources false
COPY sql sql
COPY LICENSE ./
# COPY keeps the modes of files: only root could read the files of a clone that was made with umask 077.
RUN chmod -R a+rX dist sql package.json LICENSE

FROM node:24-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional packages are the embedded servers of `npm start`. The image has none.
RUN npm ci --omit=dev --omit=optional

FROM node:24-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/sql sql
COPY --from=build /app/dist dist
# The worker writes nothing below /app, so any other user and a read-only file system also work.
USER node
# PORT and ADMIN_PORT of `api`, and HTTP_PORT of a worker or a relay.
EXPOSE 8080 8081 8082
# Healthy while the command does its work: each of its ports that answers must say so, and one must answer. With HTTP_PORT=0 a
# worker and a relay have no /health, and the check succeeds if no port answers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const w=process.env.HTTP_PORT||'8082',a=process.env.PORT||'8080';Promise.all([a,w].filter((p)=>p!=='0').map((p)=>fetch(`http://127.0.0.1:${p}/health`).then((r)=>r.ok,()=>null))).then((s)=>process.exit(s.includes(false)||(w!=='0'&&!s.includes(true))?1:0))"]
# `docker run IMAGE` runs a worker, because of CMD. `docker run IMAGE api` takes webhooks by HTTP.
ENTRYPOINT ["node", "dist/main.js"]
CMD ["worker"]
