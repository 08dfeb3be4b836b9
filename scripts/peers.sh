# The real WebRTC stacks from npm that tests and benchmarks meet. Sourced.

# Installs what the lock file says, once for each lock file; false if npm could not.
install_peers() {
  local peers=tests/interop/peers
  if cmp -s $peers/package-lock.json $peers/node_modules/.installed; then return 0; fi
  step "installing the real peers"
  mkdir -p build/logs
  (cd $peers && npm ci --no-audit --no-fund --no-progress) >build/logs/npm.log 2>&1 || return 1
  cp $peers/package-lock.json $peers/node_modules/.installed
}
