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
EXPOSE 8080
# Healthy while the worker delivers. With HTTP_PORT=0 there is no /health, and the check always succeeds.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "const p=process.env.HTTP_PORT||'8080';if(p!=='0')fetch(`http://127.0.0.1:${p}/health`).then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# `docker run IMAGE` runs a worker, because of CMD. `docker run IMAGE publish …` runs another command.
ENTRYPOINT ["node", "dist/main.js"]
CMD ["worker"]
