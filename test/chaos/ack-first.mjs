// Loaded into a worker before its own modules (node --import=…). Makes it a worker that acks every message when it arrives,
// before the webhook is sent: the mistake that the judge must find. Only tests and `npm run chaos` load it.
import { createRequire } from 'node:module';

const { NatsConnectionImpl } = createRequire(import.meta.url)('nats/lib/nats-base-client/nats.js');
const subscribe = NatsConnectionImpl.prototype.subscribe;

NatsConnectionImpl.prototype.subscribe = function (subject, options = {}) {
  const { callback } = options;
  if (callback === undefined) return subscribe.call(this, subject, options);
  return subscribe.call(this, subject, {
    ...options,
    callback: (error, message) => {
      if (error === null && message.reply?.startsWith('$JS.ACK.')) this.publish(message.reply, '+ACK');
      callback(error, message);
    },
  });
};
