// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/parameters.hpp"

#include <gtest/gtest.h>

#include "gateway/iscsi/text.hpp"

namespace caisson::iscsi {
namespace {

struct Row {
  const char* key;
  const char* offer;
  const char* answer;  ///< nullptr: none
  std::uint32_t SessionParameters::*result;
  std::uint32_t agreed;
};
using P = SessionParameters;

const Row kRows[] = {
    {"HeaderDigest", "CRC32C,None", "CRC32C", &P::header_digest, 1},
    {"HeaderDigest", "None,CRC32C", "None", &P::header_digest, 0},
    {"HeaderDigest", "X-md5,CRC32C", "CRC32C", &P::header_digest, 1},
    {"DataDigest", "X-md5", "Reject", &P::data_digest, 0},
    {"MaxConnections", "8", "1", &P::max_connections, 1},
    {"MaxConnections", "0", "Reject", &P::max_connections, 1},
    {"InitialR2T", "Yes", "Yes", &P::initial_r2t, 1},
    {"InitialR2T", "No", "No", &P::initial_r2t, 0},
    {"InitialR2T", "Maybe", "Reject", &P::initial_r2t, 1},
    {"ImmediateData", "Yes", "Yes", &P::immediate_data, 1},
    {"ImmediateData", "No", "No", &P::immediate_data, 0},
    {"MaxRecvDataSegmentLength", "65536", nullptr, &P::peer_max_recv, 65536},
    {"MaxRecvDataSegmentLength", "511", "Reject", &P::peer_max_recv, 8192},
    {"MaxRecvDataSegmentLength", "16777216", "Reject", &P::peer_max_recv, 8192},
    {"MaxBurstLength", "16776192", "1048576", &P::max_burst, 1048576},
    {"MaxBurstLength", "4096", "4096", &P::max_burst, 4096},
    {"FirstBurstLength", "0x10000", "65536", &P::first_burst, 65536},
    {"DefaultTime2Wait", "0", "2", &P::time_to_wait, 2},
    {"DefaultTime2Wait", "10", "10", &P::time_to_wait, 10},
    {"DefaultTime2Wait", "3601", "Reject", &P::time_to_wait, 2},
    {"DefaultTime2Retain", "20", "0", &P::time_to_retain, 0},
    {"MaxOutstandingR2T", "1", "1", &P::max_outstanding_r2t, 1},
    {"MaxOutstandingR2T", "64", "8", &P::max_outstanding_r2t, 8},
    {"DataPDUInOrder", "No", "Yes", &P::data_pdu_in_order, 1},
    {"DataSequenceInOrder", "No", "Yes", &P::data_sequence_in_order, 1},
    {"ErrorRecoveryLevel", "2", "0", &P::error_recovery_level, 0},
    {"iSCSIProtocolLevel", "3", "2", &P::protocol_level, 2},
    {"TaskReporting", "FastAbort,RFC3720", "RFC3720", nullptr, 0},
    {"IFMarker", "Yes", "No", nullptr, 0},
    {"OFMarkInt", "1~2", "Reject", nullptr, 0},
    {"X-com.example.key", "1", "NotUnderstood", nullptr, 0},
    {"X-com.example.key", "NotUnderstood", nullptr, nullptr, 0},
    {"MaxBurstLength", "Irrelevant", nullptr, &P::max_burst, 262144},
};

TEST(Parameters, EveryKeyAnswersAndResults) {
  for (const auto& row : kRows) {
    Negotiation negotiation(TargetOffer{}, false);
    std::string answer, expected;
    ASSERT_TRUE(negotiation.take(row.key, row.offer, Stage::operational, answer)) << row.key;
    if (row.answer != nullptr) append_text(expected, row.key, row.answer);
    EXPECT_EQ(answer, expected) << row.key << "=" << row.offer;
    if (row.result != nullptr) {
      EXPECT_EQ(negotiation.result().*row.result, row.agreed) << row.key;
    }
  }
}

TEST(Parameters, NothingIsNegotiatedTwice) {
  for (const auto& spec : key_table()) {
    if (spec.kind == KeyKind::identity || spec.kind == KeyKind::security) continue;
    Negotiation negotiation(TargetOffer{}, false);
    std::string answer;
    EXPECT_TRUE(negotiation.take(spec.name, "1", Stage::operational, answer)) << spec.name;
    EXPECT_FALSE(negotiation.take(spec.name, "1", Stage::operational, answer)) << spec.name;
  }
}

TEST(Parameters, KeysBelongToTheirStages) {
  Negotiation negotiation(TargetOffer{}, false);
  std::string answer;
  EXPECT_FALSE(negotiation.take("MaxBurstLength", "4096", Stage::security, answer));
  EXPECT_FALSE(negotiation.take("MaxBurstLength", "4096", Stage::full_feature, answer));
  EXPECT_TRUE(negotiation.take("MaxRecvDataSegmentLength", "4096", Stage::full_feature, answer));
  EXPECT_TRUE(answer.empty());
}

TEST(Parameters, DiscoveryHasNoDataTransfer) {
  Negotiation negotiation(TargetOffer{}, true);
  std::string answer, expected;
  ASSERT_TRUE(negotiation.take("MaxBurstLength", "4096", Stage::operational, answer));
  append_text(expected, "MaxBurstLength", "Irrelevant");
  EXPECT_EQ(answer, expected);
}

TEST(Parameters, TargetDeclaresItsLimitOnce) {
  Negotiation negotiation(TargetOffer{.max_recv = 4096}, false);
  std::string answer, expected;
  negotiation.declare(answer);
  negotiation.declare(answer);
  append_text(expected, "MaxRecvDataSegmentLength", "4096");
  EXPECT_EQ(answer, expected);
}

}  // namespace
}  // namespace caisson::iscsi
