import { describe, expect, it } from 'vitest';
import { validTraceContext } from '../../../src/core/message/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${PARENT}-01`;
const NOTHING = { traceparent: undefined, tracestate: undefined };

describe('a traceparent', () => {
  it.each([
    ['of version 00', VALID],
    ['with any flags', `00-${TRACE}-${PARENT}-ff`],
    ['of a later version', `cc-${TRACE}-${PARENT}-01`],
    ['of a later version with further parts', `cc-${TRACE}-${PARENT}-01-what-the-future-brings`],
  ])('%s goes on as it is', (_, traceparent) => {
    expect(validTraceContext({ traceparent, tracestate: undefined })).toEqual({ ...NOTHING, traceparent });
  });

  it.each([
    ['of version ff', `ff-${TRACE}-${PARENT}-01`],
    ['of version 00 with further parts', `${VALID}-01`],
    ['with a dash behind it', `${VALID}-`],
    ['in capital letters', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['without a trace', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['without a parent', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['with a short trace', `00-${TRACE.slice(1)}-${PARENT}-01`],
    ['without flags', `00-${TRACE}-${PARENT}`],
    ['that came twice', `${VALID}, ${VALID}`],
    ['with a line break', `${VALID}\n`],
    ['with a control character', `cc-${TRACE}-${PARENT}-01-\u0001`],
    ['that is empty', ''],
    ['that is any text', 'abc'],
  ])('%s is left out, and its tracestate', (_, traceparent) => {
    expect(validTraceContext({ traceparent, tracestate: 'a=1' })).toEqual(NOTHING);
  });
});

describe('a tracestate', () => {
  it.each([
    ['of one member', 'congo=t61rcWkgMzE'],
    ['of several members', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['with spaces and empty members', 'a=1 ,\t, b=2,'],
    ['with a tenant', 'fw529a3039@dt=FfAAAAAAAAA'],
    ['with 32 members', Array.from({ length: 32 }, (__, index) => `k${index}=v`).join(',')],
    ['with a long value', `a=${'v'.repeat(256)}`],
  ])('%s goes on as it is', (_, tracestate) => {
    expect(validTraceContext({ traceparent: VALID, tracestate })).toEqual({ traceparent: VALID, tracestate });
  });

  it.each([
    ['without a value', 'a='],
    ['without a key', '=1'],
    ['with a capital letter in a key', 'Foo=1'],
    ['with an equals sign in a value', 'a=1=2'],
    ['with 33 members', Array.from({ length: 33 }, (__, index) => `k${index}=v`).join(',')],
    ['with too long a value', `a=${'v'.repeat(257)}`],
    ['with a character beyond ASCII', 'a=ä'],
    ['with a line break', 'a=1\nb=2'],
    ['that is empty', ''],
  ])('%s is left out, and its traceparent goes on', (_, tracestate) => {
    expect(validTraceContext({ traceparent: VALID, tracestate })).toEqual({
      traceparent: VALID,
      tracestate: undefined,
    });
  });

  it('without a traceparent is left out', () => {
    expect(validTraceContext({ traceparent: undefined, tracestate: 'a=1' })).toEqual(NOTHING);
  });
});
