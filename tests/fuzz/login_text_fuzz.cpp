// SPDX-License-Identifier: Apache-2.0
// Proves of the login state machine, for any sequence of login requests:
//   - a host with CHAP is never let in without a right response to the last
//     challenge, and no answer or log line holds a secret;
//   - what is agreed lies within the ranges of the key table;
//   - answers are well-formed text that fits the PDU an initiator takes before
//     it has declared more, and a login ends: by requests and by bytes.
//
// Input: a byte that picks the target's side, then requests up to 0x1e each:
// BHS flags, a byte of oddities, text. In the text 0x01 becomes the right
// response to the challenge, 0x02 that challenge, 0x03 its identifier, 0x04 a
#include <map>
#include <optional>
#include <string>

#include "gateway/iscsi/login.hpp"
#include "storage_object/base/log.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace caisson;
using namespace caisson::iscsi;
using fuzz::require;

constexpr std::string_view kSecret = "secret-of-host", kMutualSecret = "secret-of-node";
constexpr std::string_view kTarget = "iqn.2026-11.io.caisson:node:disk";

enum class Host : std::uint8_t { open, chap, mutual, chap_or_open, unknown, count_ };

class FakeDirectory final : public scsi::TargetDirectory {
 public:
  FakeDirectory(Host kind, scsi::Verdict verdict) : kind_(kind), verdict_(verdict) {}

  std::optional<scsi::HostIdentity> identify(std::string_view) const override {
    if (kind_ == Host::unknown) return std::nullopt;
    scsi::HostIdentity host{.id = 1, .name = "host"};
    host.no_auth = kind_ == Host::open || kind_ == Host::chap_or_open;
    if (kind_ == Host::open) return host;
    host.chap_user = "user";
    host.chap_secret = kSecret;
    if (kind_ != Host::mutual) return host;
    host.mutual_user = "node";
    host.mutual_secret = kMutualSecret;
    return host;
  }
  std::vector<std::string> targets(std::uint64_t) const override { return {std::string(kTarget)}; }
  scsi::Admission admit(std::uint64_t, std::string_view target) const override {
    if (target != kTarget) return {};
    return {verdict_, {}};
  }

 private:
  Host kind_;
  scsi::Verdict verdict_;
};

/// The challenge of the last answer that had one, as an initiator reads it.
struct Challenge {
  std::string text, identifier;
  std::string response;  ///< the right one
};

std::optional<Challenge> challenge_in(std::string_view answer) {
  require(answer.empty() || answer.back() == '\0', "an answer ends its last key");
  std::map<std::string_view, std::string_view> keys;
  while (!answer.empty()) {  // parse_text's limit on keys is for what a peer sends
    auto end = answer.find('\0');
    auto pair = parse_text(answer.substr(0, end + 1));
    require(pair && pair->size() == 1, "an answer is well-formed text");
    keys[pair->front().key] = pair->front().value;
    answer.remove_prefix(end + 1);
  }
  if (!keys.contains("CHAP_C")) return std::nullopt;
  auto bytes = parse_binary(keys["CHAP_C"], kMaxChapChallenge);
  auto identifier = parse_number(keys["CHAP_I"]);
  auto algorithm = parse_number(keys["CHAP_A"]);
  require(bytes && identifier && *identifier < 256 && algorithm, "a challenge can be read");
  auto response = chap_response(static_cast<ChapAlgorithm>(*algorithm),
                                static_cast<std::uint8_t>(*identifier), kSecret, *bytes);
  return Challenge{std::string(keys["CHAP_C"]), std::string(keys["CHAP_I"]),
                   format_binary(response)};
}

class Session {
 public:
  explicit Session(std::uint8_t side)
      : host_(static_cast<Host>(side % static_cast<unsigned>(Host::count_))),
        directory_(host_, side & 0x40 ? scsi::Verdict::unavailable : scsi::Verdict::granted),
        context_{.directory = directory_, .max_text = side & 0x80 ? std::size_t{512} : 16384},
        login_(context_) {}

  void run(fuzz::Input input) {
    for (std::size_t requests = 0; !input.empty() && !over_; ++requests) {
      require(requests <= context_.max_requests, "a login ends after so many requests");
      fuzz::Input record(input.until(std::byte{0x1e}));
      step(record);
    }
  }

 private:
  static LoginRequestBhs header(std::byte flags, std::uint8_t odd) {
    auto bhs = make_header<LoginRequestBhs>(Opcode::login_request, flags);
    bhs.isid[0] = static_cast<std::byte>(odd & 1 ? 0x40 : 0x80);
    bhs.tsih = odd & 2 ? 1 : 0;
    bhs.cid = odd & 4 ? 1 : 0;
    bhs.initiator_task_tag = odd & 8 ? 1u : 0u;
    bhs.version_min = odd & 16 ? 1 : 0;
    return bhs;
  }

  std::string expand(std::string_view text) {
    std::string out;
    for (char c : text) {
      switch (c) {
        case 1:
          if (challenge_) out += challenge_->response, proved_ = true;
          break;
        case 2: out += challenge_ ? challenge_->text : "0x00"; break;
        case 3: out += challenge_ ? challenge_->identifier : "1"; break;
        case 4: out.append(1800, 'A'); break;
        default: out += c;
      }
    }
    return out;
  }

  void step(fuzz::Input record) {
    auto flags = static_cast<std::byte>(record.byte());
    auto bhs = header(flags, record.byte());
    proved_ = false;
    auto text = expand(fuzz::as_text(record.rest()));
    pending_ += text.size();
    said_ += text;
    auto answer = login_.take(bhs, text);
    require(pending_ <= context_.max_text || answer.next == Login::Next::refused,
            "text over the limit is refused");
    if ((flags & kContinueBit) == std::byte{0}) pending_ = 0;
    check(answer);
    if (auto challenge = challenge_in(answer.text)) challenge_ = std::move(challenge);
    ever_proved_ |= proved_;
    over_ = answer.next != Login::Next::more;
    if (answer.next == Login::Next::established) established();
  }

  void check(const Login::Answer& answer) const {
    require(answer.text.size() <= 8192, "an answer fits what an initiator takes by default");
    for (auto secret : {kSecret, kMutualSecret})
      require(said_.find(secret) != std::string::npos ||  // an echo tells nothing
                  (answer.text.find(secret) == std::string::npos &&
                   answer.reason.find(secret) == std::string::npos),
              "no answer holds a secret");
    bool refused = answer.next == Login::Next::refused;
    require(refused == (answer.status != LoginStatus::success), "status and refusal agree");
    require(refused == (answer.header.status_class != 0), "the header carries the status");
    require(!refused || !answer.reason.empty(), "a refusal has a reason");
  }

  void established() {
    require(host_ != Host::unknown, "an unknown initiator is not let in");
    auto must_prove = host_ == Host::chap || host_ == Host::mutual;
    require(!must_prove || ever_proved_, "a CHAP host is let in by its proof only");
    auto result = login_.result();
    require(result.host.chap_secret.empty() && result.host.mutual_secret.empty(),
            "the result holds no secret");
    require(!result.initiator_name.empty() && result.initiator_name.size() <= 223,
            "an initiator has a name");
    require(result.discovery || result.target_name == kTarget, "only the granted target");
    for (const auto& spec : key_table()) {
      if (spec.result == nullptr || spec.high == 0) continue;
      auto value = result.parameters.*spec.result;
      require(value >= spec.low && value <= spec.high, "a number lies in the range of its key");
    }
  }

  Host host_;
  FakeDirectory directory_;
  LoginContext context_;
  Login login_;
  std::optional<Challenge> challenge_;
  std::size_t pending_ = 0;
  std::string said_;
  bool proved_ = false, ever_proved_ = false, over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::error);
  fuzz::Input input(data, size);
  Session session(input.byte());
  session.run(input);
  return 0;
}
