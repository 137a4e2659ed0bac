# Runs the steps of the array STEPS (its form: .ci/run), with time limits, logs, and counts.
# To be sourced; needs STEPS and MINUTES_MAX, and offers run_steps. Leaves no process behind.

set -u
LOGS=.cache/ci
HEARTBEAT_SECONDS=60
KILL_GRACE_SECONDS=10

passed=0
failed=0
table=()
# What failed, in few lines each: a long log may not be kept whole, but its end always is.
failures=()
FAILURE_LINES_MAX=8
interrupted=0
# Of each step in the background: its place in the four arrays below.
background_names=() background_pids=() background_limits=() background_starts=()
current_name='' current_pid=''
started_at=$SECONDS
# A mark in the environment of every process a step starts, by which strays are found again.
run_mark="ci-$$-$RANDOM$RANDOM"

slug() { echo "${1// /-}"; }

# Process ids that carry the mark of the step, wherever they have moved to (setsid, daemons).
marked_pids() {
  grep -lzFx "CI_STEP_MARK=$run_mark-$(slug "$1")" /proc/[0-9]*/environ 2>/dev/null |
    cut -d / -f 3
}

# launch <name> <low priority: 0|1> <command>: starts it in a session of its own, sets $launched.
launch() {
  local name=$1 nice_by=$2 command=$3 file
  file=$LOGS/$(slug "$name")
  JEST_JSON="$PWD/$file.jest.json" CI_STEP_MARK="$run_mark-$(slug "$name")" \
    setsid nice -n "$nice_by" bash -c '(eval "$1"); code=$?; echo $SECONDS >"$2"; exit $code' \
    "$name" "$command" "$file.seconds" </dev/null >"$file.log" 2>&1 &
  launched=$!
}

# Ends what is left of a step: first politely, then not. Prints the commands it had to end.
sweep() {
  local name=$1 pid pids waited=0
  pids=$(marked_pids "$name")
  [[ -n $pids ]] || return 0
  for pid in $pids; do
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c 1-150
    kill -TERM "$pid" 2>/dev/null
  done
  while (( waited++ < KILL_GRACE_SECONDS * 2 )); do
    pids=$(marked_pids "$name")
    [[ -n $pids ]] || return 0
    sleep 0.5
  done
  for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
}

# Adds a step's result to the sums; sets $verdict. A step that wrote Jest's result counts its tests.
count() {
  local name=$1 code=$2 json counts
  json=$LOGS/$(slug "$name").jest.json
  if (( code == 77 )); then
    verdict='nothing to do'
    return
  fi
  if [[ -s $json ]] && counts=$(node -e '
      const result = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))
      const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = result
      console.log(numPassedTests, numFailedTests + numRuntimeErrorTestSuites)' "$json"); then
    local step_passed=${counts% *} step_failed=${counts#* }
    # Killed, or failed for another reason than a test; or there was no test at all.
    if (( code != 0 && step_failed == 0 || step_passed + step_failed == 0 )); then
      step_failed=$((step_failed + 1))
    elif (( code == 124 )); then
      step_failed=$((step_failed + 1))
    fi
    passed=$((passed + step_passed)) failed=$((failed + step_failed))
    verdict="$step_passed passed, $step_failed failed"
  elif (( code == 0 )); then
    passed=$((passed + 1)) verdict=passed
  else
    failed=$((failed + 1)) verdict=failed
  fi
  (( code != 124 )) || verdict="$verdict (over its time limit)"
}

# Adds to $failures what a step says of its failure: of tests their names and why, else its last lines.
note_failure() {
  local name=$1 json log
  json=$LOGS/$(slug "$name").jest.json log=$LOGS/$(slug "$name").log
  failures+=("$name:"$'\n'"$(node -e '
      const [json, linesMax] = process.argv.slice(1)
      const { testResults } = JSON.parse(require("fs").readFileSync(json, "utf8"))
      const { stripVTControlCharacters: plain } = require("util")
      const first = (text) =>
        plain(text).split("\n").filter((line) => line.trim()).slice(0, Number(linesMax))
      for (const { name, message, assertionResults } of testResults) {
        const failed = assertionResults.filter(({ status }) => status === "failed")
        for (const { fullName, failureMessages } of failed) {
          console.log([`✗ ${fullName}`, ...first(failureMessages.join("\n"))].join("\n    "))
        }
        if (assertionResults.length === 0 && message) {
          console.log([`✗ ${name}`, ...first(message)].join("\n    "))
        }
      }' "$json" "$FAILURE_LINES_MAX" 2>/dev/null | cut -c 1-200 | grep . ||
    tail -n "$FAILURE_LINES_MAX" "$log" | cut -c 1-200)")
}

# Waits for a process, at most until <limit> seconds after <start>; sets $code, 124 if it was over.
await() {
  local name=$1 pid=$2 limit=$3 start=$4 beat=$HEARTBEAT_SECONDS elapsed waited=0 over=0
  while kill -0 "$pid"; do
    elapsed=$((SECONDS - start))
    if (( elapsed >= limit || SECONDS - started_at >= MINUTES_MAX * 60 )); then
      over=1
      kill -TERM -- "-$pid"
      while kill -0 "$pid" && (( waited++ < KILL_GRACE_SECONDS * 2 )); do sleep 0.5; done
      kill -KILL -- "-$pid"
      break
    fi
    if (( elapsed >= beat )); then
      beat=$((beat + HEARTBEAT_SECONDS))
      echo "… $name, $((elapsed / 60)) min: $(tail -n 1 "$LOGS/$(slug "$name").log" | cut -c 1-120)"
    fi
    sleep 0.2
  done
  wait "$pid"
  code=$?
  (( over == 0 )) || code=124
}

# finish_step <name> <pid> <limit in seconds> <start>: waits, counts, and shows the log.
finish_step() {
  local name=$1 pid=$2 limit=$3 start=$4 code log
  log=$LOGS/$(slug "$name").log
  current_name=$name current_pid=$pid
  # bash tells of killed children on stderr; the verdict says it better.
  await "$name" "$pid" "$limit" "$start" 2>/dev/null
  local strays
  strays=$(sweep "$name")
  current_name='' current_pid=''
  count "$name" "$code"
  # A step in the background may have ended long ago; one that was killed has not said when.
  local took
  took=$(cat "$LOGS/$(slug "$name").seconds" 2>/dev/null) || took=$((SECONDS - start))
  table+=("$(printf '%-20s %5d s  %s' "$name" "$took" "$verdict")")
  echo "── $name: $verdict, $took s ──"
  if (( code == 0 || code == 77 )); then
    tail -n 15 "$log"
  else
    cat "$log"
    note_failure "$name"
  fi
  [[ -z $strays ]] || printf 'note: these were left running, and ended:\n%s\n' "$strays"
}

join_background() {
  local index
  for index in "${!background_pids[@]}"; do
    finish_step "${background_names[index]}" "${background_pids[index]}" \
      "${background_limits[index]}" "${background_starts[index]}"
    unset "background_pids[$index]"
  done
  background_names=() background_pids=() background_limits=() background_starts=()
}

# Ends a step that cannot be waited for any more.
cut_off() {
  kill -TERM -- "-$2" 2>/dev/null
  sweep "$1" >/dev/null
  failed=$((failed + 1))
  table+=("$(printf '%-20s %7s  failed (cut off)' "$1" '')")
}

# The end, however it comes: nothing left running, the table of times, and the last line.
conclude() {
  trap - EXIT
  trap '' INT TERM HUP
  local index
  for index in "${!background_pids[@]}"; do
    cut_off "${background_names[index]}" "${background_pids[index]}"
  done
  [[ -z $current_pid ]] || cut_off "$current_name" "$current_pid"
  if (( interrupted )); then
    table+=('interrupted')
    failed=$((failed + 1))
  fi
  if (( ${#failures[@]} > 0 )); then
    echo '── failures ──'
    printf '%s\n' "${failures[@]}"
  fi
  echo '── times ──'
  printf '%s\n' "${table[@]}"
  printf '%-20s %5d s\n' 'in all' $((SECONDS - started_at))
  echo "$passed passed, $failed failed"
  exit $(( passed > 0 && failed == 0 ? 0 : 1 ))
}

run_steps() {
  rm -rf "$LOGS"
  mkdir -p "$LOGS"
  trap conclude EXIT
  trap 'interrupted=1; exit 1' INT TERM HUP
  local step name minutes when command
  for step in "${STEPS[@]}"; do
    IFS='|' read -r name minutes when command <<<"$step"
    read -r name <<<"$name"
    read -r when <<<"$when"
    local limit=$((minutes * 60))
    case $when in
      background)
        launch "$name" 19 "$command"
        background_names+=("$name") background_pids+=("$launched")
        background_limits+=("$limit") background_starts+=("$SECONDS")
        continue ;;
      joined) join_background ;;
      next) ;;
      *) echo "the step '$name' has no such time to run: '$when'"; failed=$((failed + 1)); continue ;;
    esac
    launch "$name" 0 "$command"
    finish_step "$name" "$launched" "$limit" "$SECONDS"
  done
  join_background
}
