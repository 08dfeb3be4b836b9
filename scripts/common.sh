# What run, test and bench share: messages, and how a build directory is configured and built. Sourced.

step() { printf '\e[1m==> %s\e[0m\n' "$*" | if [[ -t 1 ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Objects are shared between build directories and worktrees, precompiled headers included.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime

# Memory decides too: a file that includes Asio takes about 1 GB to compile.
build_jobs() {
  local cores memory_gb
  cores=$(nproc)
  memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  echo $((memory_gb < 1 ? 1 : memory_gb < cores ? memory_gb : cores))
}

# configure DIR [CMAKE-OPTION…]: nothing to do if the directory was configured with the same options.
configure() {
  local dir=$1 options="${*:2}"
  if [[ -f $dir/build.ninja && $(cat "$dir/options" 2>/dev/null) == "$options" ]]; then return 0; fi
  step "configuring $dir"
  mkdir -p "$dir"
  cmake -S . -B "$dir" -G Ninja -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "${@:2}" >"$dir/configure.log" 2>&1 || {
    tail -n 30 "$dir/configure.log" >&2
    die "configuring $dir failed; all of it is in $dir/configure.log"
  }
  echo "$options" >"$dir/options"
}

# Of Ninja's lines one every 20 s, the last one, and whatever is no progress: for logs.
now_and_then() {
  local dir=$1 line last="" shown=-20
  while IFS= read -r line; do
    case $line in
      *"Re-checking globbed directories"* | "ninja: Entering directory"* | "ninja: no work to do"*) ;;
      \[[0-9]*)
        [[ -n $last ]] || step "building $dir"
        if ((SECONDS - shown >= 20)); then
          echo "  $line"
          shown=$SECONDS
        fi
        last=$line
        ;;
      *) echo "$line" ;;
    esac
  done
  if [[ -n $last ]]; then echo "  $last"; fi
}

# build DIR [TARGET…]: Ninja shows its progress on a terminal; elsewhere a line now and then.
build() {
  local dir=$1
  if [[ -t 1 ]]; then
    ninja -C "$dir" -j "$(build_jobs)" "${@:2}"
  else
    NINJA_STATUS='[%f/%t %es] ' ninja -C "$dir" -j "$(build_jobs)" "${@:2}" | now_and_then "$dir"
  fi || die "building $dir failed"
}
