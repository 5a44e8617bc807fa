// Loaded into a worker before its own modules (NODE_OPTIONS=--import=…): names get the answers of STUB_DNS, JSON of
// { name: [[address, …], …] }, one answer after the other and the last one for ever; any other name is not found.
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

// DNS itself knows none of them: so the system is asked, which is stubbed above.
for (const method of ['resolve4', 'resolve6']) {
  dns.Resolver.prototype[method] = (hostname, callback) =>
    setImmediate(callback, Object.assign(new Error(`no such name: ${hostname}`), { code: 'ENOTFOUND' }));
}
syncBuiltinESMExports();
