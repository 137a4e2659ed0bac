import { fileURLToPath } from 'node:url'
import { Child } from './child.ts'
import { kafkaClassPath } from './kafka-tools.ts'

const START_MS_MAX = 60_000

/** A program of bench/load: Java source, run against Kafka's client library, one answer a line. */
export class JavaLoad {
  readonly child: Child
  private answers: ((line: string) => void)[] = []

  private constructor(args: readonly string[]) {
    this.child = new Child('java', args, {
      onLine: (line) => {
        if (/^[\d{]|^marked$|^reading$/.test(line)) this.answers.shift()?.(line)
      },
    })
  }

  /** Starts `program`, such as `TailReaders`. */
  static async start(program: string, args: readonly (string | number)[]): Promise<JavaLoad> {
    const source = fileURLToPath(new URL(`../load/${program}.java`, import.meta.url))
    const classPath = await kafkaClassPath()
    return new JavaLoad(['-Xmx1G', '-cp', classPath, source, ...args.map(String)])
  }

  /** The next line it prints in answer to somebody. Throws if it ends or says nothing for long. */
  async answer(waitMsMax = START_MS_MAX): Promise<string> {
    let timer: NodeJS.Timeout | undefined
    const line = await Promise.race([
      new Promise<string>((resolve) => this.answers.push(resolve)),
      this.child.exited.then(() => null),
      new Promise<null>((resolve) => {
        timer = setTimeout(() => resolve(null), waitMsMax)
      }),
    ])
    clearTimeout(timer)
    if (line === null) throw new Error(`the load generator does not answer:\n${this.child.output}`)
    return line
  }

  ask(command: string, waitMsMax = START_MS_MAX): Promise<string> {
    const answer = this.answer(waitMsMax)
    this.child.write(command)
    return answer
  }
}
