// SPDX-License-Identifier: Apache-2.0
// The composition root: the one place that names concrete classes, and the
// order in which they start and stop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "gateway/config/config.hpp"
#include "gateway/iscsi/server.hpp"
#include "gateway/scsi/nexus.hpp"
#include "gateway/service/access_book.hpp"
#include "gateway/service/directory.hpp"
#include "gateway/service/service.hpp"
#include "gateway/service/snapshot_engine.hpp"
#include "gateway/service/snapshot_luns.hpp"
#include "nbs/control/control_server.hpp"
#include "snapshot/manager/manager.hpp"
#include "storage_object/base/io_thread.hpp"
#include "storage_object/catalog/catalog.hpp"
#include "storage_object/object/parallel_jobs.hpp"
#include "storage_object/object/registry.hpp"

namespace caisson::daemon {

/// One gateway. Made, started, run and stopped on the main thread, which is
/// also the control thread.
class Application {
 public:
  /// What lies between a LUN and its snapshots: nothing, but for tests.
  using Decorate = decltype(object::RegistryOptions::decorate);

  explicit Application(config::Config config, Decorate decorate = {});
  /// stop(), if that has not been called.
  ~Application();

  /// Everything up to listening. On failure nothing is left running. From here
  /// on SIGTERM and SIGINT end run() instead of the process.
  Outcome<> start();

  /// "ready iscsi=ADDR:PORT …": what DESIGN promises on stdout.
  std::string ready_line() const;

  /// Serves control connections until SIGTERM, SIGINT or quit().
  void run();

  /// Ends run(). From any thread.
  void quit() { control_.stop(); }

  /// Asks initiators to log out, drains, flushes, closes. The failure says what
  /// could not be made durable.
  Outcome<> stop();

  /// After stop(): a file did not answer, and threads still wait for it. The
  /// destructor would too; end the process without it.
  bool hangs() const noexcept { return hangs_; }

 private:
  Outcome<> open_catalog();
  Outcome<> open_objects();
  Outcome<> open_snapshots();
  void add_configured_stores();
  Outcome<> start_iscsi();
  Outcome<> start_control();
  void make_daily_copy();
  void end_service();

  config::Config config_;
  Decorate decorate_;
  boost::asio::io_context control_{1};
  boost::asio::signal_set signals_{control_};
  boost::asio::steady_timer daily_{control_};
  std::vector<std::unique_ptr<IoThread>> io_threads_;
  std::unique_ptr<catalog::Catalog> catalog_;
  scsi::SessionRegistry sessions_;
  std::unique_ptr<service::AccessBook> access_;
  std::unique_ptr<service::Directory> directory_;
  service::SnapshotLuns snapshot_luns_;
  std::unique_ptr<snapshot::Manager> snapshots_;
  std::unique_ptr<object::ObjectRegistry> registry_;
  std::unique_ptr<snapshot::ScheduleRunner> schedules_;
  std::unique_ptr<service::SnapshotEngine> snapshot_engine_;
  service::GatewayFacts facts_;
  std::unique_ptr<service::Service> service_;
  std::unique_ptr<iscsi::Server> iscsi_;
  std::unique_ptr<nbs::control::ControlServer> control_server_;
  std::vector<iscsi::Portal> portals_;
  bool objects_open_ = false;
  bool hangs_ = false;
  std::unique_ptr<object::ParallelJobs> ending_service_;
};

}  // namespace caisson::daemon
