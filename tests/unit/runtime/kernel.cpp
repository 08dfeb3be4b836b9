#include "unit/runtime/kernel.hpp"

#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace isotube::runtime::kernel {

Script& script() {
  static Script the_script;
  return the_script;
}

void reset() {
  script().refuse_segmented = 0;
  script().full_after = -1;
  script().all_full = false;
  script().stream_sends = 0;
  script().refuse_stream_sends = 0;
  script().most_of_a_stream_send = 0;
}

namespace {

bool is_segmented(const msghdr* header) {
  auto* mutable_header = const_cast<msghdr*>(header);
  for (cmsghdr* each = CMSG_FIRSTHDR(header); each != nullptr; each = CMSG_NXTHDR(mutable_header, each)) {
    if (each->cmsg_level == SOL_UDP && each->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

int fail(int error) {
  errno = error;
  return -1;
}

}  // namespace
}  // namespace isotube::runtime::kernel

extern "C" ssize_t sendmsg(int descriptor, const msghdr* header, int flags) {
  using namespace isotube::runtime::kernel;
  if (script().all_full) return fail(EAGAIN);
  if (script().refuse_segmented != 0 && is_segmented(header)) return fail(script().refuse_segmented);
  return ::syscall(SYS_sendmsg, descriptor, header, flags);
}

extern "C" int sendmmsg(int descriptor, mmsghdr* headers, unsigned count, int flags) {
  using namespace isotube::runtime::kernel;
  if (script().all_full) return fail(EAGAIN);
  if (script().full_after >= 0) {
    count = std::min(count, static_cast<unsigned>(script().full_after.load()));
    if (count == 0) return fail(EAGAIN);
    script().full_after -= static_cast<int>(count);
  }
  return static_cast<int>(::syscall(SYS_sendmmsg, descriptor, headers, count, flags));
}

extern "C" ssize_t send(int descriptor, const void* bytes, std::size_t count, int flags) {
  using namespace isotube::runtime::kernel;
  ++script().stream_sends;
  if (script().refuse_stream_sends != 0) return fail(script().refuse_stream_sends);
  const auto most = static_cast<std::size_t>(script().most_of_a_stream_send.load());
  if (most != 0) count = std::min(count, most);
  return ::syscall(SYS_sendto, descriptor, bytes, count, flags, nullptr, 0);
}
