import { Events, type NatsConnection, type Status } from 'nats';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { ConnectionListener, NatsLog } from './client.ts';
import { LOGIN_CODES } from './connect-failure.ts';
import type { Credentials } from './credentials.ts';
import { isReportedToCaller } from './permissions.ts';
import { refuseOldServer } from './server-version.ts';

const SAY_AGAIN_MS = 60_000;
/**
 * How long a denied permission counts after its last denial, in milliseconds. Below: `denied()` returns the sentence, and
 * health reports it. Above: `denied()` returns null.
 */
const DENIAL_LASTS_MS = 15_000;
/** Subjects that deliveries cannot do without: pull requests, acks, and replies. */
const NEEDED = /\.CONSUMER\.MSG\.NEXT\.|^\$JS\.ACK\.|^_INBOX/;

export interface ConnectionState {
  isConnected(): boolean;
  /** @returns a function that removes the listener. */
  listen(listener: ConnectionListener): () => void;
  /** The permission that deliveries need and that NATS denied recently. Null: none. */
  denied(): string | null;
  /** Why the worker closed the connection itself. */
  endedBy(): Error | undefined;
}

/** Logs what happens to the connection. Closes the connection if a server that is too old answers after a reconnect. */
export function followConnection(
  connection: NatsConnection,
  log: NatsLog,
  credentials: Credentials,
): ConnectionState {
  let connected = true;
  let endedBy: Error | undefined;
  let denial: { readonly sentence: string; readonly until: number } | undefined;
  const errors = new ProblemLog({ againAfterMs: SAY_AGAIN_MS });
  const listeners = new Set<ConnectionListener>();

  // The same error returns with every reconnect, about twice per second: it is logged once per SAY_AGAIN_MS.
  function sayNowAndThen(status: Status): void {
    const sentence = errorSentence(status, credentials);
    errors.report(() => say(status, `${sentence}.`), sentence);
  }

  function say(status: Status, hint: string): void {
    const denied = status.permissionContext;
    if (LOGIN_CODES.has(status.data)) log.error({ error: status.data, hint }, 'nats.login_refused');
    else if (denied === undefined) log.error({ error: String(status.data), hint }, 'nats.error');
    else {
      const { operation } = denied;
      log.error({ operation, subject: patternOf(denied.subject), hint }, 'nats.permission_denied');
    }
  }

  function noteDenial(status: Status): void {
    const right = status.permissionContext;
    if (right !== undefined) for (const { onDenied } of listeners) onDenied?.(right);
    if (!NEEDED.test(right?.subject ?? '')) return;
    denial = { sentence: errorSentence(status, credentials), until: performance.now() + DENIAL_LASTS_MS };
  }

  function onReconnected(server: string): void {
    connected = true;
    const version = connection.info?.version ?? '';
    endedBy = refuseOldServer(version, server);
    if (endedBy === undefined) {
      log.info({ server }, 'nats.reconnected');
      for (const { onReconnect } of listeners) onReconnect?.();
    } else {
      log.error({ server, version, hint: endedBy.message }, 'nats.unsupported');
      void connection.close();
    }
  }

  function onStatus(status: Status): void {
    const data = String(status.data);
    switch (status.type) {
      // The client also emits "disconnect" for every failed dial, and later one "reconnect" for each: only changes count.
      case Events.Disconnect:
        if (connected) {
          const hint = `The connection to NATS at ${data} is lost. The client reconnects until NATS answers.`;
          log.warn({ server: data, hint }, 'nats.disconnected');
        }
        connected = false;
        break;
      case Events.Reconnect:
        if (!connected) onReconnected(data);
        break;
      case Events.LDM: {
        const hint = `NATS at ${data} is about to stop (lame duck mode). The client moves to another server.`;
        log.warn({ server: data, hint }, 'nats.stopping');
        break;
      }
      case Events.Error:
        if (!isReportedToCaller(status.permissionContext)) sayNowAndThen(status);
        noteDenial(status);
        break;
    }
  }

  async function follow(): Promise<void> {
    for await (const status of connection.status()) onStatus(status);
    connected = false;
  }

  void follow();
  return {
    isConnected: () => connected && !connection.isClosed(),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    denied: () => (denial !== undefined && performance.now() < denial.until ? denial.sentence : null),
    endedBy: () => endedBy,
  };
}

function errorSentence(status: Status, { cure }: Credentials): string {
  const denied = status.permissionContext;
  if (LOGIN_CODES.has(status.data)) {
    return `NATS refuses our login now (${status.data}), and the client tries until NATS accepts the login: ${cure}`;
  }
  if (denied === undefined) return `NATS reports ${String(status.data)}`;
  const right = denied.operation === 'publish' ? 'publish to' : 'subscribe to';
  return `NATS denies us the right to ${right} "${patternOf(denied.subject)}": grant the right to our user in the nats-server configuration`;
}

/** Every message has its own ack subject, and every pull request its own inbox. One permission covers them all. */
function patternOf(subject: string): string {
  if (subject.startsWith('$JS.ACK.')) return '$JS.ACK.>';
  return subject.startsWith('_INBOX.') ? '_INBOX.>' : subject;
}
