import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { GroupMetadataValue } from '../protocol/messages/group-records.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { Deadline } from './deadlines.ts'
import type { GroupError } from './group-outcomes.ts'
import type { GroupSettings } from './group-settings.ts'

/** What groups need of their surroundings. */
export interface GroupHost {
  readonly settings: GroupSettings
  readonly clock: Clock
  readonly logger: Logger
  deadline(expired: () => void): Deadline
  /** The part of a member id that nobody else has. */
  uniqueId(): string
  /**
   * Appends what the log is to say of the group; `done` is told once that is durable, or will never
   * be. It is told later, never at once, unless this is no coordinator any more.
   */
  save(
    group: ClassicGroup,
    value: GroupMetadataValue,
    done: (error: GroupError | null) => void,
  ): void
  /** The group may be void now: see ClassicGroup.isVoid. */
  forgetIfVoid(group: ClassicGroup): void
}
