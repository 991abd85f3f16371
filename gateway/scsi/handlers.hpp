// SPDX-License-Identifier: Apache-2.0
// The functions the rows of the command table point at.
#pragma once

#include "gateway/scsi/command.hpp"

namespace caisson::scsi {

/// Most parameter data of one command; REPORT LUNS of 32,767 units fits.
inline constexpr std::uint64_t kMaxParameterData = std::uint64_t{256} << 10;

/// The plan of a command with an allocation length.
constexpr DataPlan parameter_data(std::uint64_t allocation) noexcept {
  return {Direction::in, allocation < kMaxParameterData ? allocation : kMaxParameterData};
}

/// Commands without data and without fields of their own.
bool plan_nothing(Command& command, DataPlan& plan);

void run_test_unit_ready(Command& command);

bool plan_request_sense(Command& command, DataPlan& plan);
void run_request_sense(Command& command);

bool plan_inquiry(Command& command, DataPlan& plan);
void run_inquiry(Command& command);

bool plan_report_luns(Command& command, DataPlan& plan);
void run_report_luns(Command& command);

bool plan_report_opcodes(Command& command, DataPlan& plan);
void run_report_opcodes(Command& command);

bool plan_mode_sense(Command& command, DataPlan& plan);
void run_mode_sense(Command& command);

bool plan_mode_select(Command& command, DataPlan& plan);
void run_mode_select(Command& command);

bool plan_read_capacity_10(Command& command, DataPlan& plan);
void run_read_capacity_10(Command& command);
bool plan_read_capacity_16(Command& command, DataPlan& plan);
void run_read_capacity_16(Command& command);

bool plan_read_defect_data(Command& command, DataPlan& plan);
void run_read_defect_data(Command& command);

bool plan_get_lba_status(Command& command, DataPlan& plan);
void run_get_lba_status(Command& command);

bool plan_read(Command& command, DataPlan& plan);
void run_read(Command& command);
bool plan_write(Command& command, DataPlan& plan);
void run_write(Command& command);

bool plan_persistent_in(Command& command, DataPlan& plan);
void run_read_keys(Command& command);
void run_read_reservation(Command& command);
void run_report_capabilities(Command& command);
void run_read_full_status(Command& command);

bool plan_persistent_out(Command& command, DataPlan& plan);
void run_persistent_out(Command& command);
void run_reserve_unit(Command& command);
void run_release_unit(Command& command);

void run_or_write(Command& command);
bool plan_compare_and_write(Command& command, DataPlan& plan);
void run_compare_and_write(Command& command);

bool plan_synchronize_cache(Command& command, DataPlan& plan);
void run_synchronize_cache(Command& command);
bool plan_prefetch(Command& command, DataPlan& plan);
void run_prefetch(Command& command);

bool plan_verify(Command& command, DataPlan& plan);
void run_verify(Command& command);
bool plan_write_and_verify(Command& command, DataPlan& plan);
void run_write_and_verify(Command& command);

bool plan_report_port_groups(Command& command, DataPlan& plan);
void run_report_port_groups(Command& command);
/// Reports with an allocation length and no other field.
bool plan_report(Command& command, DataPlan& plan);
void run_report_task_functions(Command& command);
bool plan_report_priority(Command& command, DataPlan& plan);
void run_report_priority(Command& command);
void run_report_timestamp(Command& command);

bool plan_log_sense(Command& command, DataPlan& plan);
void run_log_sense(Command& command);

bool plan_start_stop(Command& command, DataPlan& plan);
void run_start_stop(Command& command);
bool plan_prevent_allow(Command& command, DataPlan& plan);
void run_prevent_allow(Command& command);

bool plan_format_unit(Command& command, DataPlan& plan);
void run_format_unit(Command& command);
bool plan_sanitize(Command& command, DataPlan& plan);
void run_sanitize(Command& command);
void run_exit_failure_mode(Command& command);

bool plan_unmap(Command& command, DataPlan& plan);
void run_unmap(Command& command);
bool plan_write_same(Command& command, DataPlan& plan);
void run_write_same(Command& command);

}  // namespace caisson::scsi
