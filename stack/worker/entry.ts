/** How a program of ours is started on a thread: compiled JavaScript as it is, and TypeScript sources, where these run, through tsx. */
import type { WorkerOptions } from 'node:worker_threads';

export interface ThreadEntry {
  /** First argument of `new Worker`. */
  readonly program: URL | string;
  readonly options: Pick<WorkerOptions, 'eval' | 'execArgv'>;
}

/** @param module URL of the program without extension trouble: `new URL('./main.js', import.meta.url)` finds main.ts beside a .ts file */
export function threadEntry(module: URL, importer: string): ThreadEntry {
  if (!importer.endsWith('.ts')) return { program: module, options: {} };
  // a worker of Node 20 cannot load a .ts file as its entry whatever loaders it is given: begin with a line of JavaScript that can
  const api = import.meta.resolve('tsx/esm/api');
  const source = module.href.replace(/\.js$/, '.ts');
  const program = `import(${JSON.stringify(api)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return { program, options: { eval: true, execArgv: [] } };
}
