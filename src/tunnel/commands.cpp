// What the driver asks for. A connection that ended meanwhile is no mistake of the driver's: such calls do nothing.
#include <algorithm>

#include "base/assert.hpp"
#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {

std::expected<ConnNo, OpenError> Session::Impl::open(const std::optional<Target>& target) {
  if (state_ != State::Open) return std::unexpected(OpenError::Closing);
  if (target && !frame::is_valid_host(target->host)) return std::unexpected(OpenError::BadTarget);
  const Channel* channel = first_channel(ChannelKind::Data);
  if (channel == nullptr) return std::unexpected(OpenError::NoChannel);
  if (over_budget() || numbers_exhausted()) return std::unexpected(OpenError::TooManyConnections);
  const std::optional<ConnNo> number = free_number();
  if (!number) return std::unexpected(OpenError::TooManyConnections);
  add_connection(*number, channel->id, Opener::Us);
  send(*channel, frame::OpenConnection{.conn_no = *number, .target = target});
  return *number;
}

void Session::Impl::accept(ConnNo conn_no) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end()) return;
  Connection& connection = entry->second;
  if (connection.opener != Opener::Peer || connection.phase != Phase::Opening) return;
  connection.phase = Phase::Open;
  send(data_channel_of(connection), frame::ConnectionOpened{conn_no});
}

std::size_t Session::Impl::writable(ConnNo conn_no) const {
  const auto entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.may_write()) return 0;
  const std::size_t largest = settings_.peer_max_message - frame::kOverhead;
  return credit_counts() ? std::min<std::size_t>(largest, entry->second.send_credit) : largest;
}

void Session::Impl::write(ConnNo conn_no, Buffer payload) {
  const Entry entry = connections_.find(conn_no);
  // The peer may have closed it since the driver began to read its socket.
  if (payload.empty() || entry == connections_.end() || !entry->second.may_write()) return;
  ISOTUBE_ASSERT(payload.size() <= writable(conn_no));
  Connection& connection = entry->second;
  if (credit_counts()) connection.send_credit -= payload.size();
  frame::enclose(payload, conn_no, unix_ms_);
  outbox_.push_data(connection.channel, std::move(payload));
}

void Session::Impl::write_eof(ConnNo conn_no) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.may_write()) return;
  entry->second.eof_sent = true;
  send(data_channel_of(entry->second), frame::SendEof{conn_no});
  finish_if_done(entry);
}

void Session::Impl::consumed(ConnNo conn_no, std::size_t bytes) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.live()) return;
  Connection& connection = entry->second;
  ISOTUBE_ASSERT(bytes <= connection.unconsumed);
  connection.unconsumed -= bytes;
  unconsumed_ -= bytes;
  connection.ungranted += bytes;
  grant_if_due(entry);
}

void Session::Impl::delivered_eof(ConnNo conn_no) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.eof_received) return;
  Connection& connection = entry->second;
  connection.eof_delivered = true;
  if (connection.phase == Phase::Delivering) {
    send_close(data_channel_of(connection), conn_no, CloseReason::Normal, {});
    end(entry, CloseReason::Normal, {});
    return;
  }
  finish_if_done(entry);
}

void Session::Impl::close(ConnNo conn_no, CloseReason reason, std::string_view message) {
  const Entry entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.live()) return;
  if (entry->second.phase == Phase::Delivering) {
    // The peer's CloseConnection is answered with its own reason; ours is for the driver's books.
    send_close(data_channel_of(entry->second), conn_no, CloseReason::Normal, {});
    end(entry, reason, message);
    return;
  }
  abort(entry, reason, message);
}

void Session::Impl::ping(ConnNo conn_no, ByteView echo) {
  ISOTUBE_ASSERT(echo.size() <= kMaxEcho);
  if (state_ != State::Open) return;
  const Channel* first = first_channel(ChannelKind::Data);
  if (first == nullptr) return;
  // One connection's way is its data channel; the tube's own check must not stand behind bulk data.
  const std::optional<ChannelId> own = channel_of(conn_no);
  const Channel channel = own ? Channel{*own, ChannelKind::Data} : overtaking(first->id);
  ++pings_unanswered_;
  send(channel, frame::Ping{.conn_no = conn_no, .echo = echo});
}

void Session::Impl::request_restart() {
  const Channel* channel = first_channel(ChannelKind::Data);
  if (state_ != State::Open || channel == nullptr) return;
  send(overtaking(channel->id), frame::RestartNeeded{});
}

}  // namespace isotube::tunnel
