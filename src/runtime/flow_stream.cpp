// A flow over TCP, and over TLS in it: one queue that leaves with as few writes as possible.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <optional>

#include "base/assert.hpp"
#include "runtime/byte_queue.hpp"
#include "runtime/flow_way.hpp"
#include "runtime/socket_address.hpp"
#include "runtime/tls_client.hpp"

namespace isotube::runtime {
namespace {

using boost::system::error_code;

/// A quarter of what a turn may bring.
constexpr std::size_t kReadSize = std::size_t{64} << 10;
/// What is sealed at a time: four full records in one write.
constexpr std::size_t kSealSize = std::size_t{64} << 10;

/// What a worker reads into: it belongs to the thread, so that an idle flow holds none of it.
struct Arena {
  std::unique_ptr<std::byte[]> received = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
  std::unique_ptr<std::byte[]> opened = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
};

Arena& arena() {
  thread_local Arena the_arena;
  return the_arena;
}

error_code error_of(int number) { return {number, boost::system::system_category()}; }

void set_options(int descriptor) {
  // Both are wishes. We write whole batches, so waiting for more to come only adds delay.
  const int no_delay = 1;
  (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
  // What the kernel holds back beyond this would only be old when it leaves: SCTP above sees waiting as loss.
  const int unsent = 128 << 10;
  (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

class StreamWay final : public Flow::Way {
 public:
  StreamWay(Strand strand, Flow::Server server, TlsTrust trust, Flow::Callbacks callbacks)
      : Way(std::move(strand), std::move(server), std::move(callbacks)),
        trust_(std::move(trust)),
        descriptor_(this->strand()) {}

  Flow::SendResult send(ByteView bytes, std::size_t segment_size) override;
  [[nodiscard]] bool blocked() const override { return blocked_; }

 private:
  [[nodiscard]] bool over_tls() const { return server().transport == Flow::Transport::Tls; }
  [[nodiscard]] ByteQueue& wire() { return tls_ ? tls_->output() : queue_; }

  void start() override;
  void start_closing() override;
  void shut() noexcept override;

  void wait_connected();
  void handle_connected();
  void start_tls();
  void advance_handshake();

  void flush_later();
  void flush();
  void write();
  [[nodiscard]] bool seal();
  void wait_writable();
  void after_flush();

  void wait_readable();
  void receive();
  [[nodiscard]] std::optional<std::size_t> read();
  void take(ByteView bytes);
  void take_sealed(ByteView bytes);
  void handle_end(int error);
  void fail_in_tls(const std::string& reason);

  TlsTrust trust_;
  boost::asio::posix::stream_descriptor descriptor_;
  Address local_;
  std::unique_ptr<TlsClient> tls_;
  /// What was sent and, over TLS, is not yet sealed.
  ByteQueue queue_;
  bool blocked_ = false;
  bool flush_posted_ = false;
  bool waits_writable_ = false;
  bool said_goodbye_ = false;
  bool half_closed_ = false;
  /// What stopped writing. What the server said before that is still read: it may say why.
  std::optional<int> write_error_;
};

Flow::SendResult StreamWay::send(ByteView bytes, std::size_t /*segment_size*/) {
  if (state() != State::Open || blocked_) {
    count_dropped();
    return blocked_ ? Flow::SendResult::Blocked : Flow::SendResult::Done;
  }
  ISOTUBE_ASSERT(bytes.size() <= Flow::kQueueLimit);
  queue_.append(bytes);
  flush_later();
  if (queue_.size() < Flow::kQueueLimit) return Flow::SendResult::Done;
  blocked_ = true;
  return Flow::SendResult::Blocked;
}

void StreamWay::start() {
  SocketAddress address = to_socket_address(server().address);
  const int raw = ::socket(address.pointer()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (raw < 0) return fail(error_of(errno));
  set_options(raw);
  // Before Asio has it: epoll finds a socket hung up that has not begun to connect.
  const int error = ::connect(raw, address.pointer(), address.length) == 0 ? 0 : errno;
  error_code assigned;
  descriptor_.assign(raw, assigned);
  if (assigned) {
    ::close(raw);
    return fail(assigned);
  }
  if (error != 0 && error != EINPROGRESS) return fail(error_of(error));
  wait_connected();
}

void StreamWay::wait_connected() {
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write, handler([this] { handle_connected(); }));
}

void StreamWay::handle_connected() {
  if (state() != State::Opening) return;
  const int raw = descriptor_.native_handle();
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return fail(error_of(error));
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  if (::getpeername(raw, peer.pointer(), &peer.length) != 0) {
    if (errno == ENOTCONN) return wait_connected();
    return fail(error_of(errno));
  }
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (::getsockname(raw, bound.pointer(), &bound.length) != 0) return fail(error_of(errno));
  local_ = from_socket_address(bound.pointer()).value_or(Address{});
  if (over_tls()) return start_tls();
  wait_readable();
  opened(local_);
}

void StreamWay::start_tls() {
  auto client = TlsClient::create(trust_, server().name.empty() ? server().address.ip.to_string() : server().name);
  if (!client) return fail_in_tls(client.error());
  tls_ = *std::move(client);
  wait_readable();
  advance_handshake();
}

void StreamWay::advance_handshake() {
  const auto done = tls_->handshake();
  // After an error too: the server's log should say why.
  flush();
  if (!done) return fail_in_tls(done.error());
  if (*done) opened(local_);
}

void StreamWay::start_closing() { flush(); }

void StreamWay::shut() noexcept {
  error_code ignored;
  descriptor_.close(ignored);
}

void StreamWay::flush_later() {
  if (flush_posted_ || waits_writable_) return;
  flush_posted_ = true;
  post([this] {
    flush_posted_ = false;
    flush();
  });
}

void StreamWay::flush() {
  if (waits_writable_) return;
  write();
  after_flush();
}

/// Until nothing is left or the kernel takes no more.
void StreamWay::write() {
  while (!write_error_) {
    if (tls_ && tls_->output().empty() && !seal()) return;
    ByteQueue& out = wire();
    if (out.empty()) return;
    const ByteView bytes = out.front();
    const ssize_t sent = ::send(descriptor_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      out.consume(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return wait_writable();
    } else if (errno != EINTR) {
      write_error_ = errno;
      post([this] { receive(); });
    }
  }
}

/// Whether there is something to go on with.
bool StreamWay::seal() {
  if (queue_.empty()) return true;
  const ByteView plaintext = queue_.front().first(std::min(queue_.size(), kSealSize));
  if (const auto written = tls_->write(plaintext); !written) {
    fail_in_tls(written.error());
    return false;
  }
  queue_.consume(plaintext.size());
  return true;
}

void StreamWay::wait_writable() {
  waits_writable_ = true;
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write, handler([this] {
                           waits_writable_ = false;
                           flush();
                         }));
}

void StreamWay::after_flush() {
  if (state() == State::Open && blocked_ && queue_.size() <= Flow::kQueueLimit / 2) {
    blocked_ = false;
    return callbacks().writable();
  }
  if (state() != State::Closing) return;
  if (write_error_) return finish();
  if (!queue_.empty() || !wire().empty()) return;
  if (tls_ && !said_goodbye_) {
    said_goodbye_ = true;
    tls_->close();
    return flush();
  }
  if (half_closed_) return;
  half_closed_ = true;
  // Closing with something unread would make the kernel reset the connection, and the server might lose what we sent:
  // so its own end is waited for.
  (void)::shutdown(descriptor_.native_handle(), SHUT_WR);
}

void StreamWay::wait_readable() {
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, handler([this] { receive(); }));
}

void StreamWay::receive() {
  const TimePoint begin = now();
  std::size_t bytes = 0;
  while (state() != State::Done) {
    const std::optional<std::size_t> count = read();
    if (!count) return;
    bytes += *count;
    take({arena().received.get(), *count});
    if (state() != State::Done && (bytes >= kTurnBytes || now() - begin >= kTurnTime)) {
      return post([this] { receive(); });
    }
  }
}

/// Nothing if there is nothing now, or nothing will come any more: what follows from it is done.
std::optional<std::size_t> StreamWay::read() {
  for (;;) {
    const ssize_t got = ::recv(descriptor_.native_handle(), arena().received.get(), kReadSize, MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !write_error_) {
      wait_readable();
    } else {
      handle_end(got == 0 ? 0 : errno);
    }
    return std::nullopt;
  }
}

void StreamWay::take(ByteView bytes) {
  // What comes while we close is read only so that the end behind it is.
  if (state() == State::Closing) return;
  if (tls_) return take_sealed(bytes);
  callbacks().received(std::span(&bytes, 1));
}

void StreamWay::take_sealed(ByteView bytes) {
  tls_->feed(bytes);
  if (state() == State::Opening) advance_handshake();
  while (state() == State::Open) {
    const MutableByteView room(arena().opened.get(), kReadSize);
    const auto count = tls_->read(room);
    if (!count) return fail_in_tls(count.error());
    if (*count == 0) break;
    const ByteView piece = room.first(*count);
    callbacks().received(std::span(&piece, 1));
  }
  tls_->feed({});
  // TLS answers by itself now and then (key updates).
  if (state() == State::Open && !tls_->output().empty()) flush_later();
}

void StreamWay::handle_end(int error) {
  if (write_error_) error = *write_error_;
  if (error != 0) return fail(error_of(error));
  const std::string address = server().address.to_string();
  if (state() == State::Opening) return fail(address + " closed the connection during the TLS handshake");
  fail(address + " closed the connection");
}

void StreamWay::fail_in_tls(const std::string& reason) { fail(server().address.to_string() + ": " + reason); }

}  // namespace

std::shared_ptr<Flow::Way> make_stream_way(Strand strand, Flow::Server server, TlsTrust trust,
                                           Flow::Callbacks callbacks) {
  return std::make_shared<StreamWay>(std::move(strand), std::move(server), std::move(trust), std::move(callbacks));
}

}  // namespace isotube::runtime
