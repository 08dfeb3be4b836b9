#pragma once

#include <string>
#include <vector>

#include "dtls/certificate_impl.hpp"
#include "dtls/datagram_bio.hpp"
#include "dtls/openssl.hpp"
#include "dtls/record.hpp"
#include "dtls/record_queue.hpp"
#include "dtls/session.hpp"

namespace isotube::dtls {

class Session::Impl {
 public:
  Impl(Role role, const Certificate& certificate, std::vector<Fingerprint> fingerprints, Settings settings);
  ~Impl();
  // OpenSSL points back to this object.
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start(TimePoint now);
  void handle_datagram(TimePoint now, ByteView datagram);
  void handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<std::size_t> read(TimePoint now, MutableByteView out);
  [[nodiscard]] std::expected<std::size_t, SealError> seal(TimePoint now, ByteView plaintext, MutableByteView out);
  void close(TimePoint now);

  [[nodiscard]] std::optional<Bytes> poll_transmit() { return bio_.take_waiting(); }
  [[nodiscard]] std::optional<Event> poll_event();
  [[nodiscard]] TimePoint next_timeout() const;
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  /// How a call into OpenSSL ended when it did not succeed.
  struct Setback {
    enum class Kind : std::uint8_t { WantsMore, ClosedByPeer, TimedOut, Refused, Broken };
    Kind kind;
    std::string detail;
  };

  // handshake.cpp
  void create_ssl();
  void accept_in_handshake(TimePoint now, const Record& record);
  void hold_for_later(const Record& record);
  void show_what_was_early(TimePoint now);
  void show_to_handshake(TimePoint now, ByteView record);
  void continue_handshake(TimePoint now);
  [[nodiscard]] bool is_read_epoch_open() const;
  void become_connected();
  void fail_handshake(Setback setback);
  void refresh_timer(TimePoint now);
  static int on_verify(X509_STORE_CTX* store, void* impl) noexcept;
  static unsigned on_timer(SSL* ssl, unsigned previous_microseconds) noexcept;

  // session.cpp
  void accept(TimePoint now, const Record& record);
  void accept_connected(const Record& record);
  [[nodiscard]] std::optional<std::size_t> read_next(TimePoint now, MutableByteView out);
  void on_read_setback(TimePoint now, Setback setback, bool was_data);
  [[nodiscard]] Setback explain(int result) const;
  void finish_closed(TimePoint now);
  void fail(Failure failure, std::string detail);
  void end(State state, Event event);
  void drop() { ++counters_.records_dropped; }

  Role role_;
  const Certificate::Impl& certificate_;
  std::vector<Fingerprint> fingerprints_;
  Settings settings_;
  State state_ = State::New;
  Counters counters_;
  std::vector<Event> events_;

  DatagramBio bio_;
  OwnedContext context_;
  OwnedSsl ssl_;  // after bio_, which it uses while it dies
  bool certificate_refused_ = false;

  TimePoint handshake_ends_ = kNever;
  TimePoint repeat_at_ = kNever;

  /// In New: all that came. In Handshaking: sealed handshake records whose keys are not there yet.
  RecordQueue early_;
  /// Sealed records to be opened by read(); application data that was earlier than the handshake's end among them.
  RecordQueue inbox_;
};

}  // namespace isotube::dtls
