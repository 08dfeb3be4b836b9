# Debian packages by purpose, the only list of them, and how they are installed. Sourced by run, test and bench.

packages_run=(g++ cmake ninja-build ccache pkg-config
  libboost1.81-dev libboost-json1.81-dev libssl-dev libc-ares-dev libcli11-dev libspdlog-dev)
packages_unit=("${packages_run[@]}" libgtest-dev libgmock-dev)
packages_sim=("${packages_unit[@]}" libusrsctp-dev)
packages_clang=(clang-19 libclang-rt-19-dev)
packages_lint=("${packages_unit[@]}" "${packages_clang[@]}" clang-tidy-19 clang-format-19 python3)
packages_faults=("${packages_run[@]}" python3 nginx-light openssh-server openssh-client openssl curl coturn)
packages_interop=("${packages_unit[@]}" libusrsctp-dev python3 chromium nodejs npm openssl)
packages_bench=("${packages_run[@]}" python3 nodejs npm)

# Prints those of the named packages that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
  for package in "$@"; do
    # A nodejs that doesn't come from Debian brings its own npm and conflicts with Debian's package of that name.
    [[ $package == npm ]] && command -v npm >/dev/null && continue
    grep -qxF -e "$package" <<<"$installed" || echo "$package"
  done
}

# Installs what is missing of the named packages, as root or with sudo; ends the script with a list if it can't.
install_packages() {
  local missing=() as_root=() wanted
  wanted=$(missing_packages "$@")
  [[ -z $wanted ]] && return 0
  mapfile -t missing < <(sort -u <<<"$wanted")
  if ! command -v apt-get >/dev/null; then
    die "these Debian packages are needed, and there is no apt-get here: ${missing[*]}"
  fi
  if [[ $EUID -ne 0 ]]; then
    as_root=(sudo)
    if ! command -v sudo >/dev/null; then
      die "packages are missing and there is no sudo; run as root: apt-get install ${missing[*]}"
    fi
  fi
  step "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq ||
    echo "  apt-get update failed; trying with the package lists that are here" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null ||
    die "could not install: ${missing[*]} (run 'apt-get install ${missing[*]}' to see why)"
}
