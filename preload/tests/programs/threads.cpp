// Threads that start and end, with destructors of their own; a fork among them; memory freed by other threads.
#include <cstdio>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

int main()
{
    std::vector<std::thread> threads;
    std::vector<std::string *> handed(8);
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([i, &handed] {
            std::map<int, std::string> texts;
            for (int n = 0; n < 3000; n++) texts[n] = std::string(static_cast<std::size_t>(n % 200), 'x');
            thread_local std::vector<int> numbers(1000, i);
            handed[static_cast<std::size_t>(i)] = new std::string(static_cast<std::size_t>(100 + numbers[0]), 'z');
            if (i == 3) {
                const pid_t child = fork();
                if (child == 0) {
                    std::vector<int> more(5000, 1);
                    std::string text(100000, 'c');
                    _exit(more.size() == 5000 && text.size() == 100000 ? 0 : 1);
                }
                int status = 1;
                waitpid(child, &status, 0);
                if (status != 0) std::puts("the child failed");
            }
        });
    }
    for (auto &thread : threads) thread.join();
    std::size_t sum = 0;
    for (auto *text : handed) {
        sum += text->size();
        delete text;
    }
    for (int i = 0; i < 200; i++) {
        std::thread([] {
            thread_local std::string text(500, 'y');
            if (text.size() != 500) std::puts("not 500");
        }).join();
    }
    std::printf("%zu\n", sum);
}
