import { expect, test } from '@jest/globals'
import { activeSelector } from '../stream-cluster/labels.ts'
import { labelSelector } from './label-selector.ts'

test.each([
  ['', {}, true],
  ['a=1', { a: '1' }, true],
  ['a=1', { a: '2' }, false],
  ['a==1,b=2', { a: '1', b: '2' }, true],
  ['a==1,b=2', { a: '1' }, false],
  ['a!=1', { a: '1' }, false],
  ['a!=1', {}, true],
  ['a', { a: '' }, true],
  ['a', {}, false],
  ['!a', {}, true],
  ['!a', { a: '1' }, false],
  ['a in (1, 2)', { a: '2' }, true],
  ['a in (1,2)', { a: '3' }, false],
  ['a in (1,2)', {}, false],
  ['a notin (1,2),b', { b: '' }, true],
  ['a notin (1,2)', { a: '1' }, false],
  ['x.io/a in (1),x.io/b!=2', { 'x.io/a': '1', 'x.io/b': '3' }, true],
])('%s takes %j: %s', (text, labels: Record<string, string>, expected) => {
  expect(labelSelector(text)?.(labels)).toBe(expected)
})

test.each(['a b', 'a=1=2 x', 'a in 1,2', 'a in (1', '=1'])('%s is no selector', (text) => {
  expect(labelSelector(text)).toBeNull()
})

test('the selector of active brokers leaves draining ones out', () => {
  const takes = labelSelector(activeSelector('orders'))
  const labels = { 'streamcluster.io/cluster': 'orders' }
  expect(takes?.(labels)).toBe(true)
  expect(takes?.({ ...labels, 'streamcluster.io/state': 'draining' })).toBe(false)
  expect(takes?.({ 'streamcluster.io/cluster': 'other' })).toBe(false)
})
