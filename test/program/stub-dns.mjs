// Loaded into a worker before its own modules (NODE_OPTIONS=--import=…). Host names get the answers in STUB_DNS, JSON of
// { name: [[address, …], …] }, in order. The last answer is repeated. Other names are not found.
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';

const names = JSON.parse(process.env.STUB_DNS);
const { lookup } = dns;

dns.lookup = (hostname, options, callback) => {
  if (isIP(hostname) || options.all !== true) return lookup(hostname, options, callback);
  const answers = names[hostname];
  if (answers === undefined) {
    const failure = Object.assign(new Error(`no such name: ${hostname}`), { code: 'ENOTFOUND' });
    return setImmediate(callback, failure, []);
  }
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  const addresses = answer.map((address) => ({ address, family: isIP(address) }));
  setImmediate(callback, null, addresses);
};

// The name servers find no name. So the worker asks the operating system, and that lookup is stubbed above.
for (const method of ['resolve4', 'resolve6']) {
  dns.Resolver.prototype[method] = (hostname, callback) =>
    setImmediate(callback, Object.assign(new Error(`no such name: ${hostname}`), { code: 'ENOTFOUND' }));
}
syncBuiltinESMExports();
