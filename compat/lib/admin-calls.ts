/** Everything that is tried with a client's admin part, in the order in which most can do it. */
export const ADMIN_CALLS = [
  'describe cluster',
  'create topic',
  'list topics',
  'describe topic',
  'alter configs',
  'describe configs',
  'create partitions',
  'see new partitions',
  'list offsets',
  'delete records',
  'elect leaders',
  'describe producers',
  'reassign a partition',
  'list reassignments',
  'describe log dirs',
  'alter group offsets',
  'list group offsets',
  'list groups',
  'describe group',
  'delete group offsets',
  'delete group',
  'delete topic',
  'see it gone',
] as const

export type AdminCall = (typeof ADMIN_CALLS)[number]
