# Results of tests: one line each in a file, counted at the end. Sourced by test; programs that run tests of their own
# append to $ISOTUBE_REPORT: "pass NAME", "fail NAME: WHY" or "skip NAME: WHY".

begin_report() {
  mkdir -p build/logs
  ISOTUBE_REPORT=$PWD/build/logs/report
  export ISOTUBE_REPORT
  : >"$ISOTUBE_REPORT"
}

pass() { echo "pass $1" >>"$ISOTUBE_REPORT"; }
fail() {
  echo "fail $1: $2" >>"$ISOTUBE_REPORT"
  printf '  FAILED %s: %s\n' "$1" "$2"
}
skip() {
  echo "skip $1: $2" >>"$ISOTUBE_REPORT"
  printf '  skipped %s: %s\n' "$1" "$2"
}

count_of() { grep -c "^$1 " "$ISOTUBE_REPORT" || true; }

# Names what failed and what was skipped, then counts. Nothing having run is a failure too.
end_report() {
  local failed passed
  echo
  grep -E '^(fail|skip) ' "$ISOTUBE_REPORT" | sort -u | sed 's/^fail /FAILED  /; s/^skip /skipped /' || true
  failed=$(count_of fail)
  passed=$(count_of pass)
  echo "$passed passed, $failed failed, $(count_of skip) skipped"
  [[ $failed -eq 0 && $passed -gt 0 ]]
}

# run_gtest LABEL LIMIT PROGRAM [ARGUMENT…]: a GoogleTest program, each of its tests counted.
run_gtest() {
  local label=$1 limit=$2 program=$3 log code=0 started=$SECONDS passed skipped
  log=build/logs/$label.log
  timeout --kill-after=10 "$limit" "$program" --gtest_color=no "${@:4}" >"$log" 2>&1 || code=$?
  # "[       OK ] Suite.Test (3 ms)"; value-parameterised tests name their parameter too.
  sed -n 's/^\[       OK \] \([^ ,]*\).*/pass '"$label"': \1/p' "$log" >>"$ISOTUBE_REPORT"
  passed=$(grep -c '^\[       OK \] ' "$log" || true)
  while read -r name; do fail "$label: $name" "see $log"; done < <(
    sed -n 's/^\[  FAILED  \] \([^ ,]*\).*(.* ms)$/\1/p' "$log")
  skipped=0
  while read -r name; do
    skip "$label: $name" "$(grep -A3 -F "[ RUN      ] $name" "$log" | sed -n '3p')"
    skipped=$((skipped + 1))
  done < <(sed -n 's/^\[  SKIPPED \] \([^ ,]*\) (.* ms)$/\1/p' "$log")
  if [[ $code -eq 124 || $code -eq 137 ]]; then
    fail "$label" "not done after $limit s (see $log)"
  elif [[ $code -ne 0 ]] && ! grep -q '^\[  FAILED  \] ' "$log"; then
    fail "$label" "ended with code $code (see $log)"
  elif [[ $code -eq 0 && $((passed + skipped)) -eq 0 ]]; then
    fail "$label" "ran no test"
  fi
  if [[ $code -ne 0 ]]; then
    tail -n 40 "$log" | sed 's/^/    | /'
  else
    printf '  ok %-28s %4d tests %4d s\n' "$label" "$passed" $((SECONDS - started))
  fi
}
