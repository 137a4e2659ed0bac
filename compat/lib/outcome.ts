export type Outcome =
  | {
      readonly result: 'passed'
      readonly remark?: string
      readonly atSecondTry?: boolean
      /** What is to be said of it although it passed. */
      readonly note?: string
    }
  /** Passed with the client used in another way than its own. */
  | { readonly result: 'adjusted'; readonly why: string; readonly atSecondTry?: boolean }
  /** The client does not offer it. */
  | { readonly result: 'cannot'; readonly why: string }
  /** Fails for a reason that is known. */
  | { readonly result: 'fails'; readonly why: string }
  | {
      readonly result: 'failed'
      readonly why: string
      /** Something acknowledged is lost or doubled: no second try makes up for that. */
      readonly isFinal?: boolean
    }
