/** Jest only runs tests; sim and bench run in plain Node (jest's vm contexts would distort both). */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'esnext' }, module: { type: 'es6' } },
    ],
  },
  testMatch: ['**/*.test.ts'],
  // What needs a Kubernetes has a configuration of its own: jest.kubernetes.config.js.
  testPathIgnorePatterns: ['/node_modules/', '/.cache/', '/data/', '<rootDir>/e2e/kubernetes/'],
  modulePathIgnorePatterns: ['<rootDir>/.cache/', '<rootDir>/data/'],
  testTimeout: 60_000,
}
