import { Header } from '../core/message/nats-headers.ts';
import { lastToken } from '../core/subject.ts';

/** Why no row takes the message, and the cure, for a person. */
export function whyUnroutable(
  subject: string,
  /** Key of the endpoint whose parked queue held the message; null: none. */
  parkedFor: string | null,
  /** The row that the publisher chose; null: none. */
  endpointId: number | null,
): string {
  if (endpointId !== null) {
    return (
      `the NATS header ${Header.webhookId} sends the message to the row of rule_webhooks with webhook_id ${endpointId} and ` +
      'to no other, and there is no such row: replay this dead letter without this header, or with the webhook_id of another row'
    );
  }
  if (parkedFor !== null) {
    return (
      `the message was parked for ${parkedFor}, and that row of rule_webhooks is deleted: ` +
      `register the endpoint again under the same name, and replay this dead letter without its header ${Header.webhookId}`
    );
  }
  const name = lastToken(subject);
  return (
    `the message has no webhook_url, and no row of rule_webhooks has nats_subject ${subject} or is named ` +
    `${name}: add a row, SELECT rule_webhook_register('${name}', 'https://…'), and replay this dead letter`
  );
}
