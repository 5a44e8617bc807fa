/** A part of a program that runs until it is stopped. A program starts its services in order and stops them in reverse order. */
export interface Service {
  readonly name: string;
  start(): Promise<void> | void;
  /** Safe to call twice, and after a start that failed. */
  stop(): Promise<void> | void;
}

/** Services that depend on each other: each may use the services before it, so they start in order and stop in reverse order. */
export class ServiceGroup implements Service {
  readonly name: string;
  readonly #services: readonly Service[];
  readonly #started: Service[] = [];
  #stopping: Promise<void> | null = null;

  constructor(name: string, services: readonly Service[]) {
    this.name = name;
    this.#services = services;
  }

  /**
   * Starts all services, one after the other. If a service cannot be started, stops the services before it.
   *
   * @throws the error of the service that cannot be started.
   */
  async start(): Promise<void> {
    for (const service of this.#services) {
      this.#started.push(service);
      try {
        await service.start();
      } catch (error) {
        await this.stop().catch(() => undefined);
        throw error;
      }
    }
  }

  /**
   * Stops the started services in reverse order, one after the other. If a service cannot be stopped, the others are still stopped.
   *
   * @throws the first error, after all other services are stopped.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll().finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let service = this.#started.pop(); service !== undefined; service = this.#started.pop()) {
      try {
        await service.stop();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/**
 * Services that do not depend on each other, as one. They start in order, and stop all at once: none goes on while another service
 * takes its time to stop. @throws what the first service throws that cannot be started or stopped.
 */
export function independent(name: string, services: readonly Service[]): Service {
  let started: Service[] = [];
  return {
    name,
    async start() {
      for (const service of services) {
        started.push(service);
        await service.start();
      }
    },
    async stop() {
      const stopping = started;
      started = [];
      await Promise.all(stopping.map(async (service) => service.stop()));
    },
  };
}

/** A service out of a function that begins something and returns what ends it. */
export function serviceOf(name: string, begin: () => () => void): Service {
  let end = () => {};
  return {
    name,
    start() {
      end = begin();
    },
    stop: () => end(),
  };
}
