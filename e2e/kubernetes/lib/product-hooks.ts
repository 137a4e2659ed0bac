import { afterAll, afterEach, beforeAll } from '@jest/globals'
import { fetchKafkaTools } from '../../lib/kafka-tools.ts'
import { closeAll } from './closing.ts'
import { Product, START_MS_MAX } from './product.ts'

/**
 * Starts the product for the tests of a file, and Kafka's tools with it; `ready` gets it before the
 * first of them. What a test noted as `closing` ends with the test, the product with the last one.
 */
export function usesProduct(ready: (product: Product) => Promise<void> | void): void {
  let product: Product | null = null
  beforeAll(async () => {
    await fetchKafkaTools()
    product = await Product.start()
    await ready(product)
  }, START_MS_MAX)
  afterEach(closeAll)
  afterAll(() => product?.stop(), 60_000)
}
