// SPDX-License-Identifier: Apache-2.0
// The program `caisson` against a real control server with a scripted service.
#pragma once

#include <gmock/gmock.h>

#include <sstream>

#include "gateway/cli/run.hpp"
#include "nbs/wire/messages.hpp"
#include "storage_object/base/errc.hpp"
#include "tests/unit/nbs/control/fixture.hpp"

namespace caisson::cli {

namespace wire = nbs::wire;
using nbs::control::ControlReply;

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

class CliTest : public nbs::control::ControlServerTest {
 protected:
  CliTest() { serve(); }

  Ran caisson(std::vector<std::string> words) {
    words.insert(words.end(), {"--server", "unix:" + options_.path});
    return bare(words);
  }
  /// Without --server.
  Ran bare(const std::vector<std::string>& words) {
    std::istringstream in(typed_);
    std::ostringstream out, err;
    Console console{out,
                    err,
                    in,
                    terminal_,
                    terminal_,
                    [this](const char* name) {
                      auto found = environment_.find(name);
                      return found == environment_.end() ? std::nullopt
                                                         : std::optional(found->second);
                    },
                    terminal_};
    int exit = run(words, console);
    return {exit, out.str(), err.str()};
  }
  void answer(const google::protobuf::Message& reply) {
    service_.answer_with(reply.SerializeAsString());
  }
  void answer(Failure failure, std::string partial = {}) {
    service_.answer_by([=](const auto&, const auto&, auto&) {
      return ControlReply{partial, failure};
    });
  }
  /// The last request the service got.
  template <class Request>
  Request request() {
    Request message;
    EXPECT_TRUE(message.ParseFromString(service_.last_request()));
    return message;
  }

  std::string typed_;
  bool terminal_ = false;
  std::map<std::string, std::string> environment_;
};

/// What a change answers: it took place.
template <class Reply>
Reply changed(bool dry_run = false) {
  Reply reply;
  reply.mutable_change()->set_changed(true);
  reply.mutable_change()->set_dry_run(dry_run);
  return reply;
}

}  // namespace caisson::cli
