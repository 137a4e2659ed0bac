/**
 * Kafka itself, for the tests that hold our tables against it: the clients' library of one Kafka
 * release, which contains the definitions of all messages and their serializers, and the group
 * coordinator's, for the records of `__consumer_offsets`. Maven brings them into the repository's
 * cache folder; the tests need `mvn` and a JDK (17 or later) for that.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const KAFKA_VERSION = '4.3.1'
const JACKSON_VERSION = '2.20.1'
const CACHE = resolve(import.meta.dirname, '../../.cache')
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024

const DEPENDENCIES = [
  ['org.apache.kafka', 'kafka-clients', KAFKA_VERSION],
  ['org.apache.kafka', 'kafka-group-coordinator', KAFKA_VERSION],
  ['org.slf4j', 'slf4j-api', '1.7.36'],
  ['org.slf4j', 'slf4j-nop', '1.7.36'],
  ['com.fasterxml.jackson.core', 'jackson-databind', JACKSON_VERSION],
  ['com.fasterxml.jackson.core', 'jackson-core', JACKSON_VERSION],
  ['com.fasterxml.jackson.core', 'jackson-annotations', '2.20'],
]

const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

function projectXml(): string {
  const dependencies = DEPENDENCIES.map(
    ([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
      `<version>${version}</version></dependency>`,
  )
  return (
    '<project><modelVersion>4.0.0</modelVersion><groupId>reference</groupId>' +
    '<artifactId>reference</artifactId><version>1</version>' +
    `<dependencies>${dependencies.join('')}</dependencies></project>`
  )
}

/** The folder with the libraries and the definitions; brings them if they are not there yet. */
async function referenceFolder(): Promise<string> {
  const folder = join(CACHE, `kafka-reference-${KAFKA_VERSION}-with-groups`)
  if (existsSync(folder)) return folder
  await mkdir(CACHE, { recursive: true })
  // Made elsewhere and renamed, so that no other test run sees half of it.
  const staging = await mkdtemp(join(CACHE, 'staging-'))
  try {
    await writeFile(join(staging, 'pom.xml'), projectXml())
    await run(
      'mvn',
      ['-q', '-B', COPY_GOAL, '-DexcludeTransitive=true', '-DoutputDirectory=libraries'],
      { cwd: staging },
    )
    for (const name of ['kafka-clients', 'kafka-group-coordinator']) {
      const library = join('libraries', `${name}-${KAFKA_VERSION}.jar`)
      await run('jar', ['xf', library, 'common/message'], { cwd: staging })
    }
    if (!existsSync(folder)) await rename(staging, folder).catch(() => undefined)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
  return folder
}

/** A definition file, such as `ProduceRequest`, as Kafka's sources have it. */
export async function readDefinition(name: string): Promise<Definition> {
  const folder = await referenceFolder()
  const text = await readFile(join(folder, 'common/message', `${name}.json`), 'utf8')
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, '')) as Definition
}

/**
 * Runs a Java source file of this folder against Kafka's classes, with `input` as its standard
 * input, and returns what it prints.
 */
export async function runJava(file: string, input = ''): Promise<string> {
  const folder = await referenceFolder()
  const source = join(import.meta.dirname, file)
  const child = run('java', ['-Xmx512m', '-cp', join(folder, 'libraries/*'), source], {
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  child.child.stdin?.end(input)
  return (await child).stdout
}

export interface Definition {
  readonly apiKey: number
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly fields: readonly DefinitionField[]
  readonly commonStructs?: readonly { name: string; fields: readonly DefinitionField[] }[]
}

export interface DefinitionField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly flexibleVersions?: string
  readonly tag?: number
  readonly default?: string | number
  readonly fields?: readonly DefinitionField[]
}
