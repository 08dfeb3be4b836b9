#include "tunnel/session.hpp"

#include <utility>

#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {

Session::Session(Settings settings, Side side, BufferPool& pool)
    : impl_(std::make_unique<Impl>(std::move(settings), side, pool)) {}
Session::~Session() = default;

void Session::handle_channel_open(TimePoint now, ChannelId channel, std::string_view label) {
  impl_->handle_channel_open(now, channel, label);
}
void Session::handle_channel_closed(TimePoint, ChannelId channel) { impl_->handle_channel_closed(channel); }
void Session::handle_message(TimePoint now, ChannelId channel, Buffer message) {
  impl_->handle_message(now, channel, std::move(message));
}
void Session::handle_text_message(TimePoint now, ChannelId channel) { impl_->handle_text_message(now, channel); }
void Session::handle_timeout(TimePoint now) { impl_->handle_timeout(now); }
void Session::set_unix_ms(std::uint64_t unix_ms) { impl_->set_unix_ms(unix_ms); }

std::expected<ConnNo, OpenError> Session::open(TimePoint, const std::optional<Target>& target) {
  return impl_->open(target);
}
void Session::accept(TimePoint, ConnNo conn_no) { impl_->accept(conn_no); }
std::size_t Session::writable(ConnNo conn_no) const { return impl_->writable(conn_no); }
void Session::write(TimePoint, ConnNo conn_no, Buffer payload) { impl_->write(conn_no, std::move(payload)); }
void Session::write_eof(TimePoint, ConnNo conn_no) { impl_->write_eof(conn_no); }
void Session::consumed(TimePoint, ConnNo conn_no, std::size_t bytes) { impl_->consumed(conn_no, bytes); }
void Session::delivered_eof(TimePoint, ConnNo conn_no) { impl_->delivered_eof(conn_no); }
void Session::close(TimePoint, ConnNo conn_no, CloseReason reason, std::string_view message) {
  impl_->close(conn_no, reason, message);
}
void Session::ping(TimePoint, ConnNo conn_no, ByteView echo) { impl_->ping(conn_no, echo); }
void Session::request_restart(TimePoint) { impl_->request_restart(); }
void Session::close_tube(TimePoint now, CloseReason reason, std::string_view message) {
  impl_->close_tube(now, reason, message);
}

std::optional<Transmit> Session::poll_transmit() { return impl_->poll_transmit(); }
std::optional<Event> Session::poll_event() { return impl_->poll_event(); }
TimePoint Session::next_timeout() const { return impl_->next_timeout(); }
std::size_t Session::connections() const { return impl_->connections(); }
std::size_t Session::numbers_in_use() const { return impl_->numbers_in_use(); }
PeerHello Session::peer_hello() const { return impl_->peer_hello(); }
std::optional<ChannelId> Session::channel_of(ConnNo conn_no) const { return impl_->channel_of(conn_no); }
const Counters& Session::counters() const { return impl_->counters(); }

}  // namespace isotube::tunnel
