import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

/** One place in the source that logs an event. */
export type LogEvent = {
  /** `noun.verb`; or the code of the argument if it is not a literal. */
  readonly event: string;
  /** Null if the source computes it. */
  readonly level: string | null;
  /** `folder/file.ts:line` */
  readonly at: string;
};

const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
/** Its method `info` reads a stream or a consumer, and logs nothing. */
const NATS_MANAGER = /\b(streams|consumers)$/;

const src = new URL('../../src/', import.meta.url);

/** All events that `src` logs, helpers that pass an event on included, in alphabetical order. */
export function logEventsInSource(): LogEvent[] {
  const paths = (readdirSync(src, { recursive: true }) as string[]).filter((path) => path.endsWith('.ts'));
  return logEventsIn(new Map(paths.map((path) => [path, readFileSync(new URL(path, src), 'utf8')])));
}

/** The events that these files log. The keys are paths, the values the texts. */
export function logEventsIn(texts: ReadonlyMap<string, string>): LogEvent[] {
  const files = [...texts].map(([path, text]) =>
    ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true),
  );
  const calls = files.flatMap(callsIn);
  const events = calls.flatMap((call) => {
    const level = levelOf(call);
    if (level === undefined) return [];
    // A call without fields is reported as a whole.
    const message = call.arguments.length === 2 ? call.arguments[1]! : call;
    return eventsOf(message, calls).map((found) => ({ ...found, level }));
  });
  return events.sort((one, other) => (`${one.event} ${one.at}` < `${other.event} ${other.at}` ? -1 : 1));
}

function callsIn(node: ts.Node): ts.CallExpression[] {
  const calls: ts.CallExpression[] = [];
  const visit = (child: ts.Node): void => {
    if (ts.isCallExpression(child)) calls.push(child);
    ts.forEachChild(child, visit);
  };
  visit(node);
  return calls;
}

/** `log.warn(…)` has the level warn, `log[level](…)` a computed level (null). Undefined if the call logs nothing. */
function levelOf({ expression }: ts.CallExpression): string | null | undefined {
  if (ts.isElementAccessExpression(expression))
    return /\blog$/.test(expression.expression.getText()) ? null : undefined;
  if (!ts.isPropertyAccessExpression(expression) || !LEVELS.has(expression.name.text)) return undefined;
  return NATS_MANAGER.test(expression.expression.getText()) ? undefined : expression.name.text;
}

function eventsOf(message: ts.Expression, calls: readonly ts.CallExpression[]): Omit<LogEvent, 'level'>[] {
  if (ts.isConditionalExpression(message))
    return [message.whenTrue, message.whenFalse].flatMap((branch) => eventsOf(branch, calls));
  const passedOn = ts.isIdentifier(message) ? argumentsFor(message, calls) : [];
  if (passedOn.length > 0) return passedOn.flatMap((argument) => eventsOf(argument, calls));
  const file = message.getSourceFile();
  const line = file.getLineAndCharacterOfPosition(message.getStart()).line + 1;
  const event = ts.isStringLiteral(message) ? message.text : message.getText();
  return [{ event, at: `${file.fileName}:${line}` }];
}

/**
 * If the name is a parameter of the function around it: the arguments that callers pass for it. Callers of a function are searched
 * in its file, callers of a method in all files.
 */
function argumentsFor(name: ts.Identifier, calls: readonly ts.CallExpression[]): ts.Expression[] {
  const callee = ts.findAncestor(
    name,
    (node): node is ts.FunctionDeclaration | ts.MethodDeclaration =>
      ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node),
  );
  const index = callee?.parameters.findIndex((parameter) => parameter.name.getText() === name.text) ?? -1;
  if (callee?.name === undefined || index < 0) return [];
  const called = callee.name.getText();
  return calls.flatMap((call) => {
    const { expression } = call;
    const isCalled = ts.isMethodDeclaration(callee)
      ? ts.isPropertyAccessExpression(expression) && expression.name.text === called
      : expression.getText() === called && call.getSourceFile() === callee.getSourceFile();
    return isCalled ? [call.arguments[index] ?? call] : [];
  });
}
