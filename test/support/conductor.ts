// Tells jobs when to go on. A job says over a socket where it has come to and waits for the answer, so that tests can put
// anything (a signal, another job, the end of the engine) exactly there, without sleeping.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Held {
  /** Lets the job go on. */
  go(): void;
}

export class Conductor {
  readonly path: string;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly awaited = new Map<string, (held: Held) => void>();
  /** Every point that any job came to, in order. */
  readonly points: string[] = [];

  private constructor(path: string) {
    this.path = path;
    this.server = createServer((socket) => this.listenTo(socket));
  }

  static async in(folder: string): Promise<Conductor> {
    const conductor = new Conductor(join(folder, 'conductor.sock'));
    conductor.server.listen(conductor.path);
    await once(conductor.server, 'listening');
    return conductor;
  }

  /** In a folder of its own, which `remove` takes away. */
  static async inNewFolder(): Promise<Conductor> {
    return Conductor.in(await mkdtemp(join(tmpdir(), 'headgate-conductor-')));
  }

  /** Resolves when a job comes to this point, which it does not leave before `go`. All other points are passed freely. */
  hold(point: string): Promise<Held> {
    return new Promise((resolve) => this.awaited.set(point, resolve));
  }

  async remove(): Promise<void> {
    this.close();
    await rm(dirname(this.path), { recursive: true, force: true });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private listenTo(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined); // a killed job
    socket.on('close', () => this.sockets.delete(socket));
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      for (const point of String(text).split('\n').filter(Boolean)) {
        this.points.push(point);
        const go = (): void => void socket.write('go\n');
        const waiting = this.awaited.get(point);
        this.awaited.delete(point);
        if (waiting === undefined) go();
        else waiting({ go });
      }
    });
  }
}
