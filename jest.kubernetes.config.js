import base from './jest.config.js'

/** Tests on a real Kubernetes, and of what is made for one (`make e2e`). They share one cluster. */
export default {
  ...base,
  roots: ['<rootDir>/e2e/kubernetes'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
  maxWorkers: 1,
}
