import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { OPERATOR_NODE_FLAG } from '../../operator/node-flags.ts'
import {
  CODE_FOLDERS,
  codeLayer,
  COMPILE_CACHE_VARIABLES,
  compileCacheLayer,
  systemLayer,
  USER,
} from './contents.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RELATIVE_IMPORT = /^(?:import|export)\s(?!type\s)[^'"]*from '(\.[^']+)'|^import '(\.[^']+)'/gm

test('the image has every file that its code imports', () => {
  const layer = codeLayer(ROOT)
  const paths = new Set(layer.map(({ path }) => path))
  const missing: string[] = []
  let importCount = 0
  for (const entry of layer) {
    if (!('content' in entry) || !entry.path.endsWith('.ts')) continue
    for (const [, named, bare] of entry.content.toString().matchAll(RELATIVE_IMPORT)) {
      importCount++
      const target = posix.join(posix.dirname(entry.path), named ?? bare ?? '')
      if (!paths.has(target)) missing.push(`${entry.path} imports ${target}`)
    }
  }
  expect(missing).toEqual([])
  expect(importCount).toBeGreaterThan(500)
})

test('the image has what native packages are linked to', () => {
  const paths = systemLayer(ROOT).map(({ path }) => path)
  // Node itself needs no librt; that is how it was forgotten once.
  for (const name of ['libc.so.6', 'libstdc++.so.6', 'librt.so.1']) {
    expect(paths.filter((path) => path.endsWith(`/${name}`))).toHaveLength(1)
  }
})

test('Node finds in the image what it made of the sources, and it is the same every time', () => {
  const layer = compileCacheLayer(ROOT)
  const entries = layer.filter((entry) => 'content' in entry)
  // One per file that is loaded: the code, and the packages that talk to S3 and to Kubernetes.
  expect(entries.length).toBeGreaterThan(1_000)
  const [folder] = COMPILE_CACHE_VARIABLES.map((each) => each.split('=/')[1])
  for (const { path } of entries) expect(posix.dirname(posix.dirname(path))).toBe(folder)
  // Of brokers, and of the operator, which Node runs with a flag.
  expect(new Set(entries.map(({ path }) => posix.dirname(path))).size).toBe(2)
  expect(compileCacheLayer(ROOT)).toEqual(layer)
}, 60_000)

test('Dockerfile makes the same image, for those who have a daemon', () => {
  const dockerfile = readFileSync(`${ROOT}/Dockerfile`, 'utf8')
  const copied = [...dockerfile.matchAll(/^COPY (\S+) \.\/\1$/gm)].map(([, folder]) => folder)
  expect(copied).toEqual([...CODE_FOLDERS])
  expect(dockerfile).toContain(`USER ${USER}`)
  expect(dockerfile).toContain(`script "/usr/local/bin/node ${OPERATOR_NODE_FLAG}" operator`)
  expect(dockerfile).toContain(`node ${OPERATOR_NODE_FLAG} warm.ts`)
  expect(dockerfile).toContain('WORKDIR /opt/streamcluster')
  for (const variable of COMPILE_CACHE_VARIABLES) expect(dockerfile).toContain(variable)
  const ignored = readFileSync(`${ROOT}/.dockerignore`, 'utf8').split('\n')
  for (const folder of CODE_FOLDERS) expect(ignored).toContain(`!${folder}`)
  expect(ignored).toEqual(expect.arrayContaining(['operator/local', '**/testing', '**/*.test.ts']))
})
