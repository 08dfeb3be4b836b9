# The suites of ./test: what each builds and runs. Sourced by test.

packages_asan=("${packages_sim[@]}")
packages_tsan=("${packages_unit[@]}" "${packages_clang[@]}")
packages_fuzz=("${packages_clang[@]}" "${packages_run[@]}")
packages_soak=("${packages_faults[@]}")

# Rooms that have threads, or are called from many.
threaded_rooms=(isolation runtime webrtc tube client gateway)

# The unit test programs, one for each folder of tests/unit.
unit_programs() {
  local list
  for list in tests/unit/*/CMakeLists.txt; do echo "unit_$(basename "$(dirname "$list")")"; done
}

# A Release build of what is run as a program of its own: the simulation, the peers, isotube; and of the unit tests where
# they are asked for by name.
build_tests() {
  configure build/test -DCMAKE_BUILD_TYPE=Release -DISOTUBE_TESTS=ON
  build build/test "$@"
}

# Names of the test programs of a build directory that begin with one of the given prefixes.
programs_in() {
  local dir=$1 prefix
  for prefix in "${@:2}"; do
    find "$dir" -maxdepth 1 -type f -executable -name "$prefix*" -printf '%f\n'
  done | sort
}

# run_programs DIR LABEL-PREFIX LIMIT PREFIX…
run_programs() {
  local dir=$1 label=$2 limit=$3 names name
  names=$(programs_in "$dir" "${@:4}")
  if [[ -z $names ]]; then
    fail "$label${4}" "there is no such test program in $dir"
    return
  fi
  for name in $names; do run_gtest "$label$name" "$limit" "$dir/$name"; done
}

suite_unit() {
  local programs
  mapfile -t programs < <(unit_programs)
  build_tests "${programs[@]}"
  run_programs build/test "" 300 unit_
}

suite_sim() {
  build_tests sim_tests
  ISOTUBE_SIM_SEEDS=${ISOTUBE_SIM_SEEDS:-1000} run_gtest sim 1800 build/test/sim_tests
}

suite_lint() { bash tests/lint/run; }

# Real programs through the real binary.
suite_faults() {
  build_tests isotube
  ISOTUBE=$PWD/build/test/isotube python3 tests/faults/run || true
}

suite_interop() {
  build_tests interop_echo_peer interop_usrsctp
  tests/interop/run build/test || true
}

# What a unit test does not reach by itself: leaks, bounds, undefined behaviour.
suite_asan() {
  local programs
  mapfile -t programs < <(unit_programs)
  configure build/asan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1' -DISOTUBE_SANITIZE=address,undefined
  build build/asan "${programs[@]}" sim_tests example_two_peers
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  if build/asan/example_two_peers >build/logs/example.log 2>&1; then
    pass "example two_peers"
  else
    fail "example two_peers" "see build/logs/example.log"
  fi
  run_programs build/asan "asan " 1800 unit_
  run_gtest "asan sim" 1800 build/asan/sim_tests
}

# clang's: gcc 12's own neither knows atomic fences nor stands much address randomisation.
suite_tsan() {
  local room targets=()
  configure build/tsan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1' -DISOTUBE_SANITIZE=thread \
    -DCMAKE_CXX_COMPILER=clang++-19
  for room in "${threaded_rooms[@]}"; do
    targets+=("unit_$room")
  done
  build build/tsan "${targets[@]}"
  export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1"
  # One thread takes these steps: a million of them belong to the other suites.
  export ISOTUBE_BREAKER_STEPS=${ISOTUBE_BREAKER_STEPS:-20000}
  for room in "${targets[@]}"; do run_gtest "tsan $room" 900 "build/tsan/$room"; done
}

# How long each fuzzer looks for something new.
fuzz_seconds=60

suite_fuzz() {
  local target verdict
  # The options are those of tests/fuzz/run, which would build without showing how far it is.
  configure build/fuzz -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER=clang++-19 -DISOTUBE_FUZZ=ON -DISOTUBE_TESTS=OFF \
    -DISOTUBE_SANITIZE=address,undefined
  build build/fuzz fuzzers
  while IFS=: read -r target verdict; do
    case "$verdict" in
      " ok"*)
        pass "fuzz $target"
        echo "  $target:$verdict"
        ;;
      *) fail "fuzz $target" "${verdict# }" ;;
    esac
  done < <(tests/fuzz/run -t "$fuzz_seconds" 2>&1 || true)
  if ! grep -q '^\(pass\|fail\) fuzz ' "$ISOTUBE_REPORT"; then fail fuzz "tests/fuzz/run said nothing"; fi
}

suite_soak() { skip soak "there is no soak test yet"; }
