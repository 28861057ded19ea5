#pragma once

#include <functional>
#include <memory>
#include <string>

#include "docker/backend.h"
#include "docker/cli.h"
#include "docker/conversation.h"
#include "docker/pool.h"
#include "language/language.h"

// Keeps the pool's picture of long-lived containers true: lists them every few seconds, looks at
// new ones and at those that have come back, and takes out those that went.
namespace docker {

class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  // `changed` is called when a container may have become usable.
  Keeper(boost::asio::io_context& loop, const Options& options, Cli& cli, Pool& pool,
         language::Registry& languages, std::function<void()> changed);
  ~Keeper();

  void Begin();

  // Nothing is called any more.
  void Stop();

  bool settled() const { return listed_ && checking_ == 0; }

  // The daemon's state: empty when it answers.
  const std::string& daemon_error() const { return daemon_error_; }

  // A job was lost in this container: it is taken out, and looked at once it is empty.
  void Suspect(const std::string& name, const std::string& why);

  // Something ended in a container that drains.
  void Drained();

 private:
  class Check;

  void Tick();
  void OnList(const CallResult& result);
  void Update(Container* container, const std::vector<Listed>& listed);
  void StartCheck(Container* container);
  void EndCheck(const std::string& name, const std::string& error);

  boost::asio::io_context& loop_;
  const Options& options_;
  Cli& cli_;
  Pool& pool_;
  language::Registry& languages_;
  std::function<void()> changed_;
  struct Timer;
  std::unique_ptr<Timer> timer_;
  std::string daemon_error_;
  bool listed_ = false;
  bool stopped_ = false;
  int checking_ = 0;
  std::map<std::string, base::Nanos> next_check_;
};

}  // namespace docker
