#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <functional>
#include <string>

#include "dtls/datagram_bio.hpp"
#include "dtls/fingerprint_check.hpp"
#include "dtls/openssl.hpp"
#include "pair.hpp"
#include "wire.hpp"

namespace isotube::dtls {
namespace {

using Configure = std::function<void(SSL_CTX&)>;

struct Identity {
  OwnedKey key;
  OwnedX509 certificate;

  [[nodiscard]] Fingerprint fingerprint(HashAlgorithm algorithm) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    X509_digest(certificate.get(), digest_of(algorithm), digest.data(), &length);
    return {algorithm, to_bytes(std::as_bytes(std::span(digest).first(length)))};
  }
};

Identity identity_with(EVP_PKEY* key) {
  Identity identity{OwnedKey(key), OwnedX509(X509_new())};
  X509* certificate = identity.certificate.get();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -100);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 100);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  return identity;
}

/// Another stack's end of the wire: OpenSSL as others set it up.
class ForeignPeer {
 public:
  ForeignPeer(Role role, const Identity& identity, const Configure& configure)
      : bio_(1'200), context_(SSL_CTX_new(DTLS_method())) {
    if (identity.certificate) SSL_CTX_use_certificate(context_.get(), identity.certificate.get());
    if (identity.key) SSL_CTX_use_PrivateKey(context_.get(), identity.key.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_QUERY_MTU);
    if (configure) configure(*context_);
    ssl_.reset(SSL_new(context_.get()));
    bio_.attach(*ssl_);
    DTLS_set_link_mtu(ssl_.get(), 1'200);
    if (role == Role::Client) {
      SSL_set_connect_state(ssl_.get());
    } else {
      SSL_set_accept_state(ssl_.get());
    }
    advance();
  }

  void deliver(ByteView datagram) {
    for (const Bytes& record : records_of(datagram)) {
      bio_.offer(record);
      advance();
    }
  }

  [[nodiscard]] SSL* ssl() { return ssl_.get(); }
  [[nodiscard]] DatagramBio& bio() { return bio_; }
  [[nodiscard]] const std::string& received() const { return received_; }
  [[nodiscard]] std::string cipher() { return SSL_get_cipher_name(ssl_.get()); }

 private:
  void advance() {
    ERR_clear_error();
    if (SSL_do_handshake(ssl_.get()) == 1) {
      std::array<char, 4'096> text;
      const int length = SSL_read(ssl_.get(), text.data(), static_cast<int>(text.size()));
      if (length > 0) received_.append(text.data(), static_cast<std::size_t>(length));
    }
    ERR_clear_error();
  }

  DatagramBio bio_;
  OwnedContext context_;
  OwnedSsl ssl_;
  std::string received_;
};

/// One of ours and a stranger.
struct Meeting {
  Meeting(Role ours_is, const Identity& identity, std::vector<Fingerprint> announced, const Configure& configure = {})
      : foreign(ours_is == Role::Client ? Role::Server : Role::Client, identity, configure), ours(ours_is, 1) {
    ours.make_session(std::move(announced), {});
    ours.session->start(now);
    carry();
  }

  void carry() {
    bool moved = true;
    while (moved) {
      moved = false;
      drain();
      while (std::optional<Bytes> datagram = ours.session->poll_transmit()) {
        moved = true;
        foreign.deliver(*datagram);
      }
      while (std::optional<Bytes> datagram = foreign.bio().take_waiting()) {
        moved = true;
        ours.session->handle_datagram(now, *datagram);
        drain();
      }
    }
  }

  void drain() {
    std::array<std::byte, 16'384> record;
    while (const auto length = ours.session->read(now, record)) {
      ours.received.push_back(to_bytes(ByteView(record).first(*length)));
    }
    while (std::optional<Event> event = ours.session->poll_event()) ours.events.push_back(std::move(*event));
  }

  void expect_talk() {
    std::array<std::byte, 200> out;
    const auto length = ours.session->seal(now, as_byte_view("from us"), out);
    ASSERT_TRUE(length);
    foreign.deliver(ByteView(out).first(*length));
    EXPECT_EQ(foreign.received(), "from us");
    EXPECT_EQ(SSL_write(foreign.ssl(), "from them", 9), 9);
    carry();
    ASSERT_FALSE(ours.received.empty());
    EXPECT_EQ(as_text(ours.received.back()), "from them");
  }

  TimePoint now = TimePoint(std::chrono::hours(1));
  ForeignPeer foreign;
  Side ours;
};

class ForeignPeerTest : public testing::TestWithParam<Role> {
 protected:
  const Identity ecdsa_ = identity_with(EVP_EC_gen("P-256"));
  [[nodiscard]] std::vector<Fingerprint> announced() const { return {ecdsa_.fingerprint(HashAlgorithm::Sha256)}; }
};

TEST_P(ForeignPeerTest, IsTalkedToWithAes128GcmAndExtendedMasterSecret) {
  Meeting meeting(GetParam(), ecdsa_, announced());
  ASSERT_EQ(meeting.ours.session->state(), State::Connected);
  if (GetParam() == Role::Server) {
    EXPECT_EQ(meeting.foreign.cipher(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  }
  EXPECT_EQ(SSL_get_extms_support(meeting.foreign.ssl()), 1);
  EXPECT_EQ(SSL_version(meeting.foreign.ssl()), DTLS1_2_VERSION);
  meeting.expect_talk();
}

TEST_P(ForeignPeerTest, MayInsistOnAnotherAeadCipher) {
  for (const char* cipher :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    Meeting meeting(GetParam(), ecdsa_, announced(), [&](SSL_CTX& each) { SSL_CTX_set_cipher_list(&each, cipher); });
    ASSERT_EQ(meeting.ours.session->state(), State::Connected) << cipher;
    EXPECT_EQ(meeting.foreign.cipher(), cipher);
    meeting.expect_talk();
  }
}

TEST_P(ForeignPeerTest, MayAnnounceALongerHash) {
  for (const HashAlgorithm hash : {HashAlgorithm::Sha384, HashAlgorithm::Sha512}) {
    Meeting meeting(GetParam(), ecdsa_, {ecdsa_.fingerprint(hash)});
    EXPECT_EQ(meeting.ours.session->state(), State::Connected);
  }
}

TEST_P(ForeignPeerTest, MayHaveAnRsaCertificate) {
  const Identity rsa = identity_with(EVP_RSA_gen(2'048));
  Meeting meeting(GetParam(), rsa, {rsa.fingerprint(HashAlgorithm::Sha256)});
  ASSERT_EQ(meeting.ours.session->state(), State::Connected);
  meeting.expect_talk();
}

// werift goes no further without a profile; the others don't mind one.
TEST_P(ForeignPeerTest, MayAskForKeysForMediaWhichAreAgreedOnAndNeverUsed) {
  Meeting meeting(GetParam(), ecdsa_, announced(),
                  [](SSL_CTX& each) { SSL_CTX_set_tlsext_use_srtp(&each, "SRTP_AEAD_AES_128_GCM"); });
  ASSERT_EQ(meeting.ours.session->state(), State::Connected);
  EXPECT_NE(SSL_get_selected_srtp_profile(meeting.foreign.ssl()), nullptr);
  meeting.expect_talk();
}

TEST_P(ForeignPeerTest, WithNothingInCommonIsRefused) {
  const std::array<Configure, 2> strange = {
      [](SSL_CTX& each) { SSL_CTX_set_cipher_list(&each, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"); },
      [](SSL_CTX& each) {
        SSL_CTX_set_min_proto_version(&each, DTLS1_VERSION);
        SSL_CTX_set_max_proto_version(&each, DTLS1_VERSION);
        SSL_CTX_set_cipher_list(&each, "ALL:@SECLEVEL=0");
      },
  };
  for (const Configure& configure : strange) {
    Meeting meeting(GetParam(), ecdsa_, announced(), configure);
    EXPECT_TRUE(meeting.ours.failed_with(Failure::HandshakeRefused));
  }
}

TEST_P(ForeignPeerTest, MayNotStartOver) {
  Meeting meeting(GetParam(), ecdsa_, announced());
  ASSERT_EQ(meeting.ours.session->state(), State::Connected);
  EXPECT_EQ(SSL_renegotiate(meeting.foreign.ssl()), 1);
  (void)SSL_do_handshake(meeting.foreign.ssl());
  meeting.carry();
  ERR_clear_error();
  EXPECT_EQ(meeting.ours.session->next_timeout(), kNever);
  if (GetParam() == Role::Server) {
    // OpenSSL's client takes no for a reason to end it all, with a fatal alert of its own.
    EXPECT_TRUE(meeting.ours.failed_with(Failure::Protocol));
    EXPECT_NE(meeting.ours.find<Failed>()->detail.find("handshake failure"), std::string::npos);
  } else {
    EXPECT_EQ(meeting.ours.session->state(), State::Connected);
    std::array<std::byte, 100> out;
    EXPECT_TRUE(meeting.ours.session->seal(meeting.now, as_byte_view("still here"), out));
  }
}

TEST_P(ForeignPeerTest, MaySendTheLargestRecord) {
  Meeting meeting(GetParam(), ecdsa_, announced());
  const std::string large(16'384, 'L');
  EXPECT_EQ(SSL_write(meeting.foreign.ssl(), large.data(), static_cast<int>(large.size())), 16'384);
  meeting.carry();
  ASSERT_EQ(meeting.ours.received.size(), 1U);
  EXPECT_EQ(as_text(meeting.ours.received[0]), large);
}

INSTANTIATE_TEST_SUITE_P(BothRoles, ForeignPeerTest, testing::Values(Role::Client, Role::Server),
                         [](const auto& each) { return each.param == Role::Client ? "WeAreClient" : "WeAreServer"; });

// RFC 6347 4.2.1: we ask for none, for ICE has checked the path, but others do.
TEST(ForeignPeer, MayAskForACookie) {
  const Identity ecdsa = identity_with(EVP_EC_gen("P-256"));
  Meeting meeting(Role::Client, ecdsa, {ecdsa.fingerprint(HashAlgorithm::Sha256)}, [](SSL_CTX& each) {
    SSL_CTX_set_options(&each, SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(&each, [](SSL*, unsigned char* cookie, unsigned* length) {
      *cookie = 42;
      *length = 1;
      return 1;
    });
    SSL_CTX_set_cookie_verify_cb(
        &each, [](SSL*, const unsigned char* cookie, unsigned length) { return length == 1 && *cookie == 42 ? 1 : 0; });
  });
  ASSERT_EQ(meeting.ours.session->state(), State::Connected);
  meeting.expect_talk();
}

TEST(ForeignPeer, WithoutACertificateIsRefused) {
  const Identity ecdsa = identity_with(EVP_EC_gen("P-256"));
  const Fingerprint fingerprint = ecdsa.fingerprint(HashAlgorithm::Sha256);
  const Identity none;
  Meeting meeting(Role::Server, none, {fingerprint});
  EXPECT_TRUE(meeting.ours.failed_with(Failure::Protocol));
  EXPECT_EQ(meeting.ours.find<Failed>()->detail, "peer did not return a certificate");
}

}  // namespace
}  // namespace isotube::dtls
