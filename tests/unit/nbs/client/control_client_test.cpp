// SPDX-License-Identifier: Apache-2.0
#include "nbs/client/control_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage_object/base/errc.hpp"
#include "tests/unit/nbs/control/fixture.hpp"

namespace caisson::nbs::client {
namespace {

using control::ControlReply;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using wire::Op;

class ControlClientTest : public control::ControlServerTest {
 protected:
  Outcome<std::unique_ptr<ControlClient>> connect() {
    return ControlClient::connect("unix:" + options_.path, {"test 1", std::chrono::seconds(60)});
  }
  std::unique_ptr<ControlClient> connected() {
    auto client = connect();
    EXPECT_TRUE(client.has_value());
    return std::move(*client);
  }
};

TEST_F(ControlClientTest, LearnsWhoTheGatewayTakesItFor) {
  serve();
  auto client = connected();
  EXPECT_EQ(client->hello().node(), "node1");
  EXPECT_EQ(client->hello().role(), "admin");
}

TEST_F(ControlClientTest, RequestsAndRepliesArriveWhole) {
  serve();
  wire::LunListReply many;
  for (int i = 0; i < 10'000; ++i) {
    auto& lun = *many.add_luns();
    lun.set_name("lun" + std::to_string(i));
    lun.set_target_name(std::string(200, 't'));
  }
  service_.answer_by([&](const wire::Opcode&, const std::string& request, control::Progress&) {
    wire::LunListRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request));
    EXPECT_EQ(asked.store(), "main");
    return ControlReply::success(many.SerializeAsString());
  });
  wire::LunListRequest request;
  request.set_store("main");
  wire::LunListReply reply;
  ASSERT_TRUE(connected()->call(Op::lun_list, request, reply, {}).has_value());
  EXPECT_EQ(reply.SerializeAsString(), many.SerializeAsString());
}

TEST_F(ControlClientTest, OneConnectionServesManyCallsAlsoAfterAFailure) {
  serve();
  auto client = connected();
  service_.answer_by([](const wire::Opcode&, const std::string&, control::Progress&) {
    return ControlReply::failed(failure(Errc::not_found, "LUN 'x' does not exist", "look"));
  });
  wire::LunReply reply;
  for (int i = 0; i < 3; ++i) {
    auto done = client->call(Op::lun_show, wire::LunShowRequest(), reply, {});
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, Errc::not_found);
    EXPECT_EQ(done.error().message, "LUN 'x' does not exist");
    EXPECT_EQ(done.error().remedy, "look");
  }
}

TEST_F(ControlClientTest, PartlyDoneBringsWhatWasDone) {
  serve();
  service_.answer_by([](const wire::Opcode&, const std::string&, control::Progress&) {
    wire::CatalogRebuildReply reply;
    reply.add_lost("all hosts");
    return ControlReply{reply.SerializeAsString(), failure(Errc::partly_done, "some is lost")};
  });
  wire::CatalogRebuildReply reply;
  auto done = connected()->call(Op::catalog_rebuild, wire::CatalogRebuildRequest(), reply, {});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::partly_done);
  EXPECT_THAT(reply.lost(), ElementsAre("all hosts"));
}

TEST_F(ControlClientTest, ProgressIsPassedOn) {
  serve();
  service_.hold();
  auto client = connected();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  std::promise<void> seen;
  std::thread worker([&] {
    auto call = service_.next();
    call.progress(3, 10);
    seen.get_future().wait();
    call.done(ControlReply::success({}));
  });
  wire::LunReply reply;
  auto done = client->call(Op::lun_import, wire::LunImportRequest(), reply,
                           {std::chrono::seconds(60), [&](std::uint64_t at, std::uint64_t of) {
                              steps.emplace_back(at, of);
                              seen.set_value();
                            }});
  worker.join();
  EXPECT_TRUE(done.has_value());
  EXPECT_THAT(steps, ElementsAre(Pair(3, 10)));
}

TEST_F(ControlClientTest, ASilentGatewayIsGivenUpAndTheConnectionWithIt) {
  serve();
  service_.hold();
  auto client = connected();
  wire::StatusReply reply;
  auto done =
      client->call(Op::status, wire::StatusRequest(), reply, {std::chrono::milliseconds(20), {}});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::timed_out);
  done = client->call(Op::status, wire::StatusRequest(), reply, {});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::offline);
}

TEST_F(ControlClientTest, AGatewayThatGoesAwayIsNoticed) {
  serve();
  service_.hold();
  auto client = connected();
  std::thread stopper([&] {
    auto call = service_.next();
    shut_down();
  });
  wire::StatusReply reply;
  auto done = client->call(Op::status, wire::StatusRequest(), reply, {});
  stopper.join();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::offline);
  EXPECT_THAT(done.error().message, HasSubstr("lost"));
}

TEST_F(ControlClientTest, ARefusedPeerLearnsWhy) {
  options_.authorize = [](const control::PeerCredentials&) { return std::nullopt; };
  serve();
  auto client = connect();
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, Errc::permission_denied);
  EXPECT_THAT(client.error().message, HasSubstr("may not control this gateway"));
  EXPECT_THAT(client.error().remedy, HasSubstr("group 'caisson'"));
}

TEST_F(ControlClientTest, SaysThatNobodyListens) {
  auto client = connect();
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, Errc::offline);
  EXPECT_THAT(client.error().message, HasSubstr(options_.path));
}

TEST(ControlAddress, OnlyUnixSocketsAreKnown) {
  struct Row {
    std::string server;
    Errc code;
  };
  const Row rows[] = {
      {"gateway:10860", Errc::unsupported},
      {"[::1]:10860", Errc::unsupported},
      {"somewhere", Errc::invalid_argument},
      {"", Errc::invalid_argument},
      {"unix:", Errc::invalid_argument},
      {"unix:" + std::string(200, 'p'), Errc::invalid_argument},
  };
  for (const auto& row : rows) {
    auto client = ControlClient::connect(row.server, {"test 1", std::chrono::seconds(1)});
    ASSERT_FALSE(client.has_value()) << row.server;
    EXPECT_EQ(client.error().code, row.code) << row.server;
  }
}

}  // namespace
}  // namespace caisson::nbs::client
