/**
 * How Node runs an operator, as the first line of a script can say it: with one flag. V8 would rather
 * take 100 MiB more than collect small garbage sooner, which is what an operator makes all day; brokers
 * are run as Node runs anything. `make bench ARGS=operator` measures it.
 */
export const OPERATOR_NODE_FLAG = '--optimize-for-size'
