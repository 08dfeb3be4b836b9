#include "runtime/flow.hpp"

#include <boost/asio/error.hpp>
#include <exception>
#include <utility>

#include "base/assert.hpp"
#include "runtime/flow_way.hpp"

namespace isotube::runtime {

Flow::Flow(std::shared_ptr<Way> way) : way_(std::move(way)) {}

Flow& Flow::operator=(Flow&& other) noexcept {
  if (this == &other) return *this;
  if (way_) way_->abandon();
  way_ = std::move(other.way_);
  return *this;
}

Flow::~Flow() {
  if (way_) way_->abandon();
}

Flow Flow::open(const Strand& strand, Server server, TlsTrust trust, Callbacks callbacks) {
  ISOTUBE_ASSERT(callbacks.opened && callbacks.failed && callbacks.received && callbacks.writable && callbacks.closed);
  std::shared_ptr<Way> way = server.transport == Transport::Udp
                                 ? make_datagram_way(strand, std::move(server), std::move(callbacks))
                                 : make_stream_way(strand, std::move(server), std::move(trust), std::move(callbacks));
  way->begin();
  return Flow(std::move(way));
}

Flow::SendResult Flow::send(ByteView bytes, std::size_t segment_size) {
  if (bytes.empty()) return blocked() ? SendResult::Blocked : SendResult::Done;
  return way_->send(bytes, segment_size);
}

bool Flow::blocked() const { return way_->blocked(); }

void Flow::close() { way_->close(); }

Flow::Counters Flow::counters() const { return way_->counters(); }

std::string_view to_string(Flow::Transport transport) {
  switch (transport) {
    case Flow::Transport::Udp:
      return "UDP";
    case Flow::Transport::Tcp:
      return "TCP";
    case Flow::Transport::Tls:
      return "TLS";
  }
  return "?";
}

Flow::Way::Way(Strand strand, Server server, Callbacks callbacks)
    : strand_(std::move(strand)), server_(std::move(server)), callbacks_(std::move(callbacks)), close_limit_(strand_) {}

void Flow::Way::begin() {
  post([this] {
    if (state_ == State::Opening) start();
  });
}

void Flow::Way::close() {
  const bool was_open = state_ == State::Open;
  if (!was_open && state_ != State::Opening) return;
  state_ = State::Closing;
  if (!was_open) return post([this] { finish(); });
  close_limit_.expires_after(kCloseLimit);
  close_limit_.async_wait(handler([this] { finish(); }));
  post([this] { start_closing(); });
}

void Flow::Way::abandon() noexcept {
  state_ = State::Done;
  shut();
  close_limit_.cancel();
}

void Flow::Way::opened(const Address& local) {
  state_ = State::Open;
  callbacks_.opened(local);
}

void Flow::Way::fail(const std::string& reason) {
  if (state_ == State::Closing) return finish();
  if (state_ == State::Done) return;
  abandon();
  callbacks_.failed(reason);
}

void Flow::Way::finish() {
  if (state_ == State::Done) return;
  abandon();
  callbacks_.closed();
}

void Flow::Way::fail_by_exception() noexcept {
  try {
    try {
      throw;
    } catch (const std::exception& exception) {
      fail(std::string("internal error: ") + exception.what());
    }
  } catch (...) {
    // What is no exception was thrown, or the owner's callback throws again: there is nobody left to tell.
    abandon();
  }
}

std::string Flow::Way::explain(const boost::system::error_code& error) const {
  namespace errors = boost::asio::error;
  const std::string address = server_.address.to_string();
  if (error == errors::connection_refused) return "connection refused by " + address;
  if (error == errors::timed_out) return "no answer from " + address;
  if (error == errors::connection_reset || error == errors::broken_pipe) return address + " reset the connection";
  if (error == errors::network_unreachable || error == errors::host_unreachable) return "there is no way to " + address;
  return address + ": " + error.message();
}

}  // namespace isotube::runtime
