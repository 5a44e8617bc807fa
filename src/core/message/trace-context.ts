const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
/** A key, `=`, and up to 256 characters without `,` and `=`. */
const MEMBER =
  /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MOST_MEMBERS = 32;
/** The standard asks to pass on at least so many characters. More would take room that a body may need. */
const LONGEST_STATE = 512;
const VISIBLE_ASCII = /^[\x20-\x7e]*$/;
const ALL_ZEROS = /^0+$/;

export type TraceContext = {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
};

/**
 * What goes on of the trace context of a request (W3C Trace Context). A part that is not valid is left out, because tracing must not
 * stop a webhook; a tracestate means nothing without a valid traceparent. Valid parts stay as they are, those of later versions, too.
 */
export function validTraceContext({ traceparent, tracestate }: TraceContext): TraceContext {
  if (traceparent === undefined || !isParent(traceparent))
    return { traceparent: undefined, tracestate: undefined };
  return {
    traceparent,
    tracestate: tracestate !== undefined && isState(tracestate) ? tracestate : undefined,
  };
}

function isParent(text: string): boolean {
  const [, version, traceId = '', parentId = '', more] = PARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || !VISIBLE_ASCII.test(text)) return false;
  // Only later versions may have further parts.
  if (version === '00' && more !== undefined) return false;
  return !ALL_ZEROS.test(traceId) && !ALL_ZEROS.test(parentId);
}

function isState(text: string): boolean {
  const members = text.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
  const named = members.filter((member) => member !== '');
  return (
    text.length <= LONGEST_STATE &&
    named.length > 0 &&
    named.length <= MOST_MEMBERS &&
    named.every((member) => MEMBER.test(member))
  );
}
