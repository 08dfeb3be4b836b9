// The steps of a connection's life that both the peer and the driver can cause.
#include "base/assert.hpp"
#include "tunnel/session_impl.hpp"

namespace isotube::tunnel {
namespace {

/// Numbers in use, for each connection that the budget allows: room for a burst of refused and aborted ones whose
/// CloseConnection the peer has not answered yet. A peer that never answers stops here.
constexpr std::size_t kNumbersPerConnection = 4;

}  // namespace

Session::Impl::Entry Session::Impl::add_connection(ConnNo conn_no, ChannelId channel, Opener opener) {
  const auto [entry, added] = connections_.emplace(conn_no, Connection{.channel = channel, .opener = opener});
  ISOTUBE_ASSERT(added);
  entry->second.send_credit = settings_.initial_credit;
  entry->second.receive_credit = settings_.initial_credit;
  ++live_;
  return entry;
}

bool Session::Impl::over_budget() const {
  // A grant only returns what was consumed, so a connection never holds more than its initial credit.
  return live_ >= settings_.max_connections || (live_ + 1) * settings_.initial_credit > settings_.credit_budget;
}

bool Session::Impl::numbers_exhausted() const {
  return connections_.size() >= settings_.max_connections * kNumbersPerConnection;
}

std::optional<ConnNo> Session::Impl::free_number() {
  constexpr std::uint32_t kStep = 2;
  const std::uint32_t first = side_ == Side::Offerer ? 1 : 2;
  for (std::size_t tries = 0; tries <= connections_.size(); ++tries) {
    // In a tube with a `control` channel an abort may overtake frames, so a number that was used stays used.
    if (numbers_wrapped_ && had_control_channel_) return std::nullopt;
    const ConnNo number{next_number_};
    if (settings_.highest_number - next_number_ < kStep) {
      numbers_wrapped_ = true;
      next_number_ = first;
    } else {
      next_number_ += kStep;
    }
    if (!connections_.contains(number)) return number;
  }
  return std::nullopt;
}

std::optional<ChannelId> Session::Impl::channel_of(ConnNo conn_no) const {
  const auto entry = connections_.find(conn_no);
  if (entry == connections_.end() || !entry->second.live()) return std::nullopt;
  return entry->second.channel;
}

Session::Impl::Channel Session::Impl::data_channel_of(const Connection& connection) const {
  return {connection.channel, ChannelKind::Data};
}

void Session::Impl::grant_if_due(Entry entry) {
  Connection& connection = entry->second;
  const bool peer_may_send =
      !connection.eof_received && (connection.phase == Phase::Opening || connection.phase == Phase::Open);
  if (!peer_may_send || !credit_counts() || connection.ungranted < settings_.credit_grant) return;
  const auto credit = static_cast<std::uint32_t>(connection.ungranted);
  connection.receive_credit += credit;
  connection.ungranted = 0;
  send(overtaking(connection.channel), frame::WindowUpdate{.conn_no = entry->first, .credit = credit});
}

void Session::Impl::finish_if_done(Entry entry) {
  Connection& connection = entry->second;
  if (connection.phase != Phase::Open || !connection.eof_sent || !connection.eof_delivered) return;
  connection.phase = Phase::Finishing;
  send_close(data_channel_of(connection), entry->first, CloseReason::Normal, {});
}

void Session::Impl::end(Entry entry, CloseReason reason, std::string_view message) {
  if (entry->second.live()) tell_end(entry, reason, message);
  connections_.erase(entry);
}

void Session::Impl::abort(Entry entry, CloseReason reason, std::string_view message) {
  Connection& connection = entry->second;
  if (connection.phase != Phase::Finishing) {
    // Normal never goes on `control`, and nothing that the peer could get before OpenConnection does.
    const bool may_overtake = reason != CloseReason::Normal && (connection.opener == Opener::Peer || connection.heard);
    const Channel channel = may_overtake ? overtaking(connection.channel) : data_channel_of(connection);
    send_close(channel, entry->first, reason, message);
  }
  tell_end(entry, reason, message);
  connection.phase = Phase::Lingering;
}

void Session::Impl::tell_end(Entry entry, CloseReason reason, std::string_view message) {
  --live_;
  unconsumed_ -= entry->second.unconsumed;
  entry->second.unconsumed = 0;
  events_.push_back(ConnectionClosed{entry->first, reason, std::string(message)});
}

}  // namespace isotube::tunnel
