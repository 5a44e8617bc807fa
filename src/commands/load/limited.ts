import type { SendPort } from '../../load/run-load.ts';

/** Sends with `send`. `whenFree` resolves while fewer than `most` messages are under way. */
export function limited<M>(most: number, send: SendPort<M>['send']): SendPort<M> {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return {
    async whenFree() {
      while (underWay >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async send(message) {
      underWay++;
      try {
        return await send(message);
      } finally {
        underWay--;
        waiting.shift()?.();
      }
    },
  };
}
