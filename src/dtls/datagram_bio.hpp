// OpenSSL's view of the network: memory, where one read takes one record and one write makes one datagram.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "dtls/openssl.hpp"

namespace isotube::dtls {

/// What lies under one SSL, in both directions. BIO_s_mem would keep no boundaries. The callbacks throw nothing, for
/// they run inside OpenSSL's frames. Must outlive the SSL; does not move, because OpenSSL points to it.
class DatagramBio {
 public:
  /// More datagrams than any flight has: what is written beyond them is lost, as on any network.
  static constexpr std::size_t kMaxWaiting = 64;

  /// `mtu` is what OpenSSL is told if it asks.
  explicit DatagramBio(std::size_t mtu);
  DatagramBio(const DatagramBio&) = delete;
  DatagramBio& operator=(const DatagramBio&) = delete;

  /// Gives `ssl` this network, for reading and writing.
  void attach(SSL& ssl);

  /// OpenSSL's next read takes `record`, which must stay valid until then.
  void offer(ByteView record) { offered_ = record; }
  /// True once nothing is left that was offered.
  [[nodiscard]] bool taken() const { return offered_.empty(); }

  /// The next application record is written straight into `out`; everything else still goes to the waiting datagrams.
  void divert_to(MutableByteView out);
  /// Ends divert_to() and gives the record's length; 0 if none was written.
  [[nodiscard]] std::size_t finish_diversion();

  /// The oldest datagram that waits to be sent.
  [[nodiscard]] std::optional<Bytes> take_waiting();
  [[nodiscard]] std::size_t waiting() const { return waiting_.size() - sent_; }

 private:
  static int on_write(BIO* bio, const char* bytes, int length) noexcept;
  static int on_read(BIO* bio, char* out, int room) noexcept;
  static long on_control(BIO* bio, int command, long number, void* pointer) noexcept;
  static int on_create(BIO* bio) noexcept;

  bool write(ByteView datagram);
  /// Plaintext records get numbers of ours: their own are nobody's word, and one forged high number would move
  /// OpenSSL's replay window past all that the peer still has to say. Handshake messages have their own numbers.
  void renumber_plaintext(MutableByteView record);

  OwnedBioMethod method_;
  std::size_t mtu_;
  ByteView offered_;
  std::optional<MutableByteView> diversion_;
  std::size_t diverted_ = 0;
  std::uint32_t plaintext_taken_ = 0;
  std::vector<Bytes> waiting_;
  std::size_t sent_ = 0;
};

}  // namespace isotube::dtls
