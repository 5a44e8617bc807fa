#!/usr/bin/env node
import { runCommand } from './runtime/command.ts';
import { programName } from './runtime/invocation.ts';

process.exit(
  await runCommand(
    {
      worker: () => import('./commands/worker.ts'),
      api: () => import('./commands/api.ts'),
      relay: () => import('./commands/relay.ts'),
      all: () => import('./commands/all.ts'),
      up: () => import('./commands/up.ts'),
      publish: () => import('./commands/publish.ts'),
      load: () => import('./commands/load.ts'),
      receive: () => import('./commands/receive.ts'),
      stats: () => import('./commands/stats.ts'),
      sql: () => import('./commands/sql.ts'),
      keys: () => import('./commands/keys.ts'),
      sources: () => import('./commands/sources.ts'),
      migrate: () => import('./commands/migrate.ts'),
    },
    {
      name: programName(process.argv[1] ?? '', process.cwd()),
      args: process.argv.slice(2),
    },
  ),
);
