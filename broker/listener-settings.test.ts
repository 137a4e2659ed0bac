import { describe, expect, test } from '@jest/globals'
import { type ListenerSettings, listenerSettings } from './listener-settings.ts'

function listeners(variables: Readonly<Record<string, string>>): readonly ListenerSettings[] {
  const named = Object.entries(variables).map(([name, value]) => [`STREAMCLUSTER_${name}`, value])
  return listenerSettings(Object.fromEntries(named))
}

const TWO = 'internal=0.0.0.0:9092,external=:9094'
const FILES = { TLS_CERTIFICATE: 'external=/t/crt', TLS_KEY: 'external=/t/key' }

describe('one listener', () => {
  test('without a word it is plain, on all addresses', () => {
    expect(listeners({})).toEqual([
      { name: 'default', listen: { host: '0.0.0.0', port: 9092 }, advertised: null, tls: null },
    ])
  })

  test('may speak TLS by bare values, or by its name', () => {
    const tls = {
      certificateFile: '/t/crt',
      keyFile: '/t/key',
      clientCaFile: null,
      clientAuthentication: 'none',
      versionMin: 'TLSv1.2',
    }
    const bare = { TLS_CERTIFICATE: '/t/crt', TLS_KEY: '/t/key' }
    expect(listeners(bare)[0]?.tls).toEqual(tls)
    expect(listeners({ TLS_CERTIFICATE: 'default=/t/crt', TLS_KEY: '/t/key' })[0]?.tls).toEqual(tls)
    expect(listeners({ ...bare, LISTENERS: 'x=:1' })[0]?.tls).toEqual(tls)
    expect(listeners({ ...bare, TLS_CERTIFICATE: '/t/a=b' })[0]?.tls?.certificateFile).toBe(
      '/t/a=b',
    )
  })

  test('with a CA asks clients for certificates, unless it says how', () => {
    const all = { TLS_CERTIFICATE: '/t/crt', TLS_KEY: '/t/key', TLS_CLIENT_CA: '/t/ca' }
    const asked = (more: Record<string, string>) => listeners({ ...all, ...more })[0]?.tls
    expect(asked({})).toMatchObject({ clientAuthentication: 'required', clientCaFile: '/t/ca' })
    for (const how of ['none', 'requested', 'required']) {
      expect(asked({ TLS_CLIENT_AUTH: how })?.clientAuthentication).toBe(how)
    }
    expect(asked({ TLS_MIN_VERSION: '1.3' })?.versionMin).toBe('TLSv1.3')
  })
})

describe('several listeners', () => {
  test('may be told of by the name that a pod has in DNS', () => {
    const told = { LISTENERS: 'a=:1', ADVERTISED_LISTENERS: 'a=*.brokers.kafka.svc:1' }
    const named = Object.entries(told).map(([name, value]) => [`STREAMCLUSTER_${name}`, value])
    const env = Object.fromEntries(named) as Record<string, string>
    const hostWith = (address: string): string | undefined =>
      listenerSettings({ ...env, POD_IP: address })[0]?.advertised?.host
    expect(hostWith('10.1.2.3')).toBe('10-1-2-3.brokers.kafka.svc')
    expect(hostWith('fd00::3')).toBe('fd00--3.brokers.kafka.svc')
    expect(() => listenerSettings(env)).toThrow('needs POD_IP')
  })

  test('have names without case, addresses, and what is told of them', () => {
    const [internal, external] = listeners({
      LISTENERS: 'Internal=0.0.0.0:9092, EXTERNAL=[::]:9094',
      ADVERTISED_LISTENERS: 'external=kafka.example:31000',
      TLS_CERTIFICATE: 'External=/t/crt',
      TLS_KEY: 'EXTERNAL=/t/key',
    })
    expect(internal).toEqual({
      name: 'internal',
      listen: { host: '0.0.0.0', port: 9092 },
      advertised: null,
      tls: null,
    })
    expect(external).toMatchObject({
      name: 'external',
      listen: { host: '::', port: 9094 },
      advertised: { host: 'kafka.example', port: 31_000 },
      tls: { certificateFile: '/t/crt', keyFile: '/t/key' },
    })
  })

  test('may each have TLS of their own', () => {
    const found = listeners({
      LISTENERS: TWO,
      TLS_CERTIFICATE: 'internal=/i.crt,external=/e.crt',
      TLS_KEY: 'external=/e.key,internal=/i.key',
      TLS_CLIENT_CA: 'internal=/i.ca',
    })
    expect(found.map(({ tls }) => [tls?.keyFile, tls?.clientAuthentication])).toEqual([
      ['/i.key', 'required'],
      ['/e.key', 'none'],
    ])
  })
})

describe('what cannot be meant is refused, by the name of the variable', () => {
  const cases: [string, Record<string, string>][] = [
    ['LISTENERS', { LISTENERS: '0.0.0.0:9092' }],
    ['LISTENERS', { LISTENERS: 'a=0.0.0.0:9092,' }],
    ['LISTENERS', { LISTENERS: 'a=:1,A=:2' }],
    ['LISTENERS', { LISTENERS: 'a=host' }],
    ['LISTENERS', { LISTENERS: 'a=:1', LISTEN: ':2' }],
    ['LISTENERS', { LISTENERS: 'a=:1', ADVERTISED: 'x:2' }],
    ['ADVERTISED_LISTENERS', { ADVERTISED_LISTENERS: 'a=x:1' }],
    ['ADVERTISED_LISTENERS', { LISTENERS: TWO, ADVERTISED_LISTENERS: 'outside=x:1' }],
    ['ADVERTISED_LISTENERS', { LISTENERS: TWO, ADVERTISED_LISTENERS: 'external=x' }],
    ['TLS_KEY', { TLS_CERTIFICATE: '/t/crt' }],
    ['TLS_CERTIFICATE', { TLS_KEY: '/t/key' }],
    ['TLS_CERTIFICATE', { TLS_CLIENT_CA: '/t/ca' }],
    ['TLS_CERTIFICATE', { LISTENERS: TWO, TLS_CERTIFICATE: '/t/crt', TLS_KEY: '/t/key' }],
    ['TLS_CERTIFICATE', { LISTENERS: TWO, TLS_MIN_VERSION: 'internal=1.3', ...FILES }],
    ['TLS_CLIENT_CA', { LISTENERS: TWO, ...FILES, TLS_CLIENT_AUTH: 'external=required' }],
    ['TLS_CLIENT_AUTH', { LISTENERS: TWO, ...FILES, TLS_CLIENT_AUTH: 'external=maybe' }],
    ['TLS_MIN_VERSION', { LISTENERS: TWO, ...FILES, TLS_MIN_VERSION: 'external=1.1' }],
  ]
  test.each(cases)('%s in %j', (name, variables) => {
    expect(() => listeners(variables)).toThrow(`STREAMCLUSTER_${name}`)
  })
})
