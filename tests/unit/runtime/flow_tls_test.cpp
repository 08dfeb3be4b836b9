#include <gmock/gmock.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "unit/runtime/flow_fixture.hpp"
#include "unit/runtime/stream_peer.hpp"
#include "unit/runtime/test_certificate.hpp"

namespace isotube::runtime {
namespace {

using testing::HasSubstr;
using Transport = Flow::Transport;

class FlowOverTls : public FlowFixture {
 protected:
  static TlsTrust trust_in(const TestCertificate& certificate) {
    std::string path = std::filesystem::temp_directory_path() / "isotube-trust-XXXXXX";
    ::close(::mkstemp(path.data()));
    std::ofstream(path) << certificate.pem;
    auto trust = TlsTrust::from_file(path);
    std::filesystem::remove(path);
    EXPECT_TRUE(trust) << trust.error();
    return *std::move(trust);
  }

  /// What is heard when a client that wants `name` meets `certificate`.
  Heard meet(const TestCertificate& certificate, const std::string& name, const TlsTrust& trust) {
    StreamPeer peer(*certificate.server_context, [](ServedConnection& connection) { connection.echo_to_end(); });
    server_ = peer.address();
    Heard heard;
    Flow flow = open({Transport::Tls, peer.address(), name}, heard, trust);
    run_until([&] { return heard.opened || heard.over(); });
    return heard;
  }
  Heard meet(const TestCertificate& certificate, const std::string& name) {
    return meet(certificate, name, trust_in(certificate));
  }

  TestCertificate relay_ = make_test_certificate({.alternative_names = {"DNS:relay.example"}});
  Address server_;
};

TEST_F(FlowOverTls, BytesGoBothWaysWithEachVersion) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(relay_.server_context.get(), version);
    std::string asked_for;
    bool goodbye = false;
    StreamPeer peer(*relay_.server_context, [&](ServedConnection& connection) {
      asked_for = connection.server_name();
      connection.echo_to_end();
      goodbye = connection.heard_goodbye();
    });
    Heard heard;
    Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
    run_until([&] { return heard.opened || heard.over(); });
    ASSERT_TRUE(heard.opened) << *heard.failed;
    const Bytes bytes = pattern(1 << 20);
    send_all(flow, heard, bytes);
    run_until([&] { return heard.bytes.size() == bytes.size() || heard.over(); });
    EXPECT_EQ(heard.bytes, bytes);
    flow.close();
    run_until([&] { return heard.over(); });
    EXPECT_TRUE(heard.closed);
    peer.join();
    EXPECT_EQ(asked_for, "relay.example");
    EXPECT_TRUE(goodbye);
  }
}

TEST_F(FlowOverTls, APeerThatReadsSlowlyBlocksItAndLosesNothing) {
  std::promise<void> may_read;
  Bytes arrived;
  StreamPeer peer(*relay_.server_context, [&](ServedConnection& connection) {
    may_read.get_future().wait();
    arrived = connection.read_to_end();
  });
  Heard heard;
  Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.opened || heard.over(); });
  const Bytes bytes = pattern(3 << 20);
  std::size_t sent = 0;
  while (!flow.blocked()) {
    flow.send(ByteView(bytes).subspan(sent, 1024), 1024);
    sent += 1024;
    run_what_is_ready();
  }
  EXPECT_EQ(heard.writable, 0);
  may_read.set_value();
  send_all(flow, heard, ByteView(bytes).subspan(sent));
  EXPECT_GT(heard.writable, 0);
  flow.close();
  run_until([&] { return heard.over(); });
  peer.join();
  EXPECT_EQ(arrived, bytes);
}

TEST_F(FlowOverTls, ManyRecordsLeaveWithOneWrite) {
  StreamPeer peer(*relay_.server_context, [](ServedConnection& connection) { connection.echo_to_end(); });
  Heard heard;
  Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.opened || heard.over(); });
  run_what_is_ready();
  const int calls = kernel::script().stream_sends;
  for (int i = 0; i < 60; ++i) flow.send(pattern(1000), 1000);
  run_until([&] { return heard.bytes.size() == 60'000; });
  EXPECT_EQ(kernel::script().stream_sends, calls + 1);
}

TEST_F(FlowOverTls, PiecesOfEverySizeMakeNoDifference) {
  kernel::script().most_of_a_stream_send = 7;
  StreamPeer peer(*relay_.server_context, [](ServedConnection& connection) {
    const Bytes heard = connection.read(2000);
    for (const std::byte& each : heard) connection.write(ByteView(&each, 1));
    (void)connection.read_to_end();
  });
  Heard heard;
  Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.opened || heard.over(); });
  flow.send(pattern(2000), 1000);
  run_until([&] { return heard.bytes.size() == 2000; });
  EXPECT_EQ(heard.bytes, pattern(2000));
}

TEST_F(FlowOverTls, ACertificateForAnotherNameIsRefusedAndBothAreNamed) {
  const auto other = make_test_certificate({.alternative_names = {"DNS:other.example", "DNS:*.third.example"}});
  const Heard heard = meet(other, "relay.example");
  EXPECT_EQ(heard.failed,
            server_.to_string() + ": the certificate is for other.example and *.third.example, not relay.example");
  EXPECT_TRUE(meet(other, "a.third.example").opened);
  EXPECT_TRUE(meet(other, "a.b.third.example").failed);
}

TEST_F(FlowOverTls, NamesOfACertificateCannotForgeALine) {
  const auto forged = make_test_certificate({.alternative_names = {}, .common_name = "a\nb\x1b[2J"});
  const Heard heard = meet(forged, "relay.example");
  EXPECT_EQ(heard.failed, server_.to_string() + ": the certificate is for a?b?[2J, not relay.example");
}

TEST_F(FlowOverTls, ACertificateThatNobodyVouchesForIsRefused) {
  const auto stranger = make_test_certificate({.alternative_names = {"DNS:relay.example"}});
  const Heard heard = meet(stranger, "relay.example", trust_in(relay_));
  EXPECT_THAT(heard.failed.value(), HasSubstr("the certificate of relay.example is not trusted: self-signed"));
  EXPECT_FALSE(heard.opened);
  // The machine's own authorities do not know it either.
  const auto system = TlsTrust::system();
  ASSERT_TRUE(system);
  EXPECT_THAT(meet(stranger, "relay.example", *system).failed.value(), HasSubstr("not trusted"));
}

TEST_F(FlowOverTls, AnExpiredCertificateIsRefused) {
  const auto old = make_test_certificate({.alternative_names = {"DNS:relay.example"}, .valid_until = -3600});
  EXPECT_THAT(meet(old, "relay.example").failed.value(), HasSubstr("not trusted: certificate has expired"));
}

TEST_F(FlowOverTls, AnAddressIsANameToo) {
  const auto by_address = make_test_certificate({.alternative_names = {"IP:127.0.0.1", "IP:::1"}});
  EXPECT_TRUE(meet(by_address, "127.0.0.1").opened);
  EXPECT_TRUE(meet(by_address, "").opened) << "the address that is connected to";
  EXPECT_TRUE(meet(by_address, "::1").opened);
  const Heard heard = meet(by_address, "192.0.2.1");
  EXPECT_EQ(heard.failed, server_.to_string() + ": the certificate is for 127.0.0.1 and ::1, not 192.0.2.1");
  EXPECT_THAT(meet(relay_, "127.0.0.1").failed.value(), HasSubstr("for relay.example, not 127.0.0.1"));
}

TEST_F(FlowOverTls, SniCarriesNamesAndNoAddresses) {
  const auto both = make_test_certificate({.alternative_names = {"DNS:relay.example", "IP:127.0.0.1"}});
  for (const auto& [name, expected] : {std::pair("127.0.0.1", ""), std::pair("relay.example.", "relay.example")}) {
    std::string asked_for = "nothing";
    StreamPeer peer(*both.server_context, [&](ServedConnection& connection) { asked_for = connection.server_name(); });
    Heard heard;
    const Flow flow = open({Transport::Tls, peer.address(), name}, heard, trust_in(both));
    run_until([&] { return heard.over(); });
    EXPECT_TRUE(heard.opened) << *heard.failed;
    peer.join();
    EXPECT_EQ(asked_for, expected);
  }
}

TEST_F(FlowOverTls, NamesThatNoCertificateCanBeForAreRefused) {
  EXPECT_THAT(meet(relay_, std::string("relay.example\0.evil", 19)).failed.value(), HasSubstr("no name"));
  EXPECT_THAT(meet(relay_, std::string(300, 'a')).failed.value(), HasSubstr("no name"));
  EXPECT_THAT(meet(relay_, ".").failed.value(), HasSubstr("no name"));
}

TEST_F(FlowOverTls, WithoutAnAuthorityNobodyIsBelieved) {
  EXPECT_THAT(meet(relay_, "relay.example", TlsTrust()).failed.value(), HasSubstr("no authority is trusted"));
}

TEST_F(FlowOverTls, TheServerIsToldWhyItsCertificateWasRefused) {
  std::string alert;
  const auto stranger = make_test_certificate({.alternative_names = {"DNS:relay.example"}});
  {
    StreamPeer peer([&](ServedConnection& connection) {
      ERR_clear_error();
      EXPECT_FALSE(connection.start_tls(*stranger.server_context));
      alert = ERR_reason_error_string(ERR_peek_last_error());
    });
    Heard heard;
    const Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
    run_until([&] { return heard.over(); });
    peer.join();
  }
  EXPECT_THAT(alert, HasSubstr("unknown ca"));
}

TEST_F(FlowOverTls, VersionsBeforeTls12AreRefused) {
  SSL_CTX_set_security_level(relay_.server_context.get(), 0);
  SSL_CTX_set_min_proto_version(relay_.server_context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(relay_.server_context.get(), TLS1_1_VERSION);
  EXPECT_THAT(meet(relay_, "relay.example").failed.value(), HasSubstr("the TLS handshake failed: "));
}

TEST_F(FlowOverTls, AServerThatSpeaksSomethingElseIsSaidPlainly) {
  StreamPeer peer([](ServedConnection& connection) {
    (void)connection.read_some();
    connection.write(as_byte_view("HTTP/1.1 400 Bad Request\r\n\r\n"));
    (void)connection.read_to_end();
  });
  Heard heard;
  const Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, peer.address().to_string() + ": the TLS handshake failed: the server does not speak TLS");
}

TEST_F(FlowOverTls, AServerThatClosesInTheHandshakeIsSaidPlainly) {
  StreamPeer peer([](ServedConnection& connection) { (void)connection.read_some(); });
  Heard heard;
  const Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, peer.address().to_string() + " closed the connection during the TLS handshake");
}

TEST_F(FlowOverTls, ARefusedConnectionIsSaidAsOverTcp) {
  Address nowhere;
  {
    const StreamPeer peer([](ServedConnection&) {});
    nowhere = peer.address();
  }
  Heard heard;
  const Flow flow = open({Transport::Tls, nowhere, "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.failed, "connection refused by " + nowhere.to_string());
}

TEST_F(FlowOverTls, AFarewellOfTheServerIsAFailureAfterWhatItSaid) {
  StreamPeer peer(*relay_.server_context, [](ServedConnection& connection) {
    connection.write(pattern(100));
    connection.say_goodbye();
    (void)connection.read_to_end();
  });
  Heard heard;
  const Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] { return heard.over(); });
  EXPECT_EQ(heard.bytes, pattern(100));
  EXPECT_EQ(heard.failed, peer.address().to_string() + ": the server closed the connection");
}

TEST_F(FlowOverTls, CanBeDestroyedAtEveryStepOfTheHandshake) {
  // Each run_one() is one step; a silent server leaves it in the middle.
  for (const bool silent : {true, false}) {
    for (int steps = 0; steps < 8; ++steps) {
      StreamPeer peer([&](ServedConnection& connection) {
        if (silent) {
          (void)connection.read_to_end();
        } else if (connection.start_tls(*relay_.server_context)) {
          connection.echo_to_end();
        }
      });
      Heard heard;
      {
        const Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
        const int most = silent ? std::min(steps, 2) : steps;
        for (int i = 0; i < most && !heard.opened; ++i) context_.run_one();
      }
      run_what_is_ready();
      EXPECT_FALSE(heard.over());
    }
  }
}

TEST_F(FlowOverTls, CanBeClosedInTheMiddleOfTheHandshake) {
  std::promise<void> greeted;
  StreamPeer peer([&](ServedConnection& connection) {
    (void)connection.read_some();
    greeted.set_value();
    (void)connection.read_to_end();
  });
  Heard heard;
  Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  auto is_greeted = greeted.get_future();
  while (is_greeted.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) run_what_is_ready();
  flow.close();
  run_until([&] { return heard.over(); });
  EXPECT_TRUE(heard.closed);
  EXPECT_FALSE(heard.opened);
}

TEST_F(FlowOverTls, WhatOthersLeftInTheThreadsErrorQueueDoesNoHarmAndNothingIsLeft) {
  StreamPeer peer(*relay_.server_context, [](ServedConnection& connection) { connection.echo_to_end(); });
  Heard heard;
  Flow flow = open({Transport::Tls, peer.address(), "relay.example"}, heard, trust_in(relay_));
  run_until([&] {
    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
    return heard.opened || heard.over();
  });
  flow.send(pattern(5000), 1000);
  run_until([&] {
    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
    return heard.bytes.size() == 5000 || heard.over();
  });
  EXPECT_FALSE(heard.over()) << *heard.failed;
  ERR_clear_error();
  (void)meet(relay_, "other.example");
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(TlsTrust, SaysWhichFileCanNotBeRead) {
  const auto trust = TlsTrust::from_file("/nowhere/authorities.pem");
  ASSERT_FALSE(trust);
  EXPECT_THAT(trust.error(), HasSubstr("/nowhere/authorities.pem"));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace isotube::runtime
