#!/usr/bin/env bats
# The example contrib/compose/lamp: a unikernel that serves a site and asks PHP-FPM for what comes out of MariaDB, by their names.

load docker.bash

setup_file() {
    docker_up
    export LAMP_BUILD=$BUILD/lamp LAMP_PASSWORD=$RANDOM$RANDOM
    rm -f "$LAMP_BUILD/data.img" # of another run, with another password
    RUNUK_BUILD=$BUILD timeout 240 "$TOP/contrib/compose/lamp/build" --guest-database "$LAMP_BUILD"
    compose build -q
}

teardown_file() {
    docker_down
}

# Each test finds the stack running, as it comes up or as the one before has left it.
setup() {
    [[ $(docker ps -q --filter label=com.docker.compose.project=lamp | wc -l) == 3 ]] || compose up -d
    eventually 60 status_is 200 guestbook.php
}

# compose ARGUMENT…: of the files that `more` names, too.
compose() {
    local files=(-f "$TOP/contrib/compose/lamp/docker-compose.yml" "${more[@]}")
    if type -P docker-compose >/dev/null; then
        timeout -k 5 90 docker-compose "${files[@]}" -p lamp "$@"
    else
        DOCKER_TIMEOUT=90 docker compose "${files[@]}" -p lamp "$@"
    fi
}

# The id of the service's container, running or not. Compose itself takes seconds to say it.
container() {
    docker ps -aq --filter "label=com.docker.compose.service=$1"
}

# browse PATH [OPTION…]: what the front says.
browse() {
    inside curl -sS --max-time 25 "${@:2}" "http://127.0.0.1:8080/$1"
}

# status_is STATUS PATH [OPTION…]
status_is() {
    local status
    status=$(browse "$2" -o /dev/null -w '%{http_code}' "${@:3}")
    echo "/$2: $status"
    [[ $status == "$1" ]]
}

# A line that nobody has written before, written through the front.
write() {
    line="line-$RANDOM-$RANDOM-$RANDOM"
    status_is 303 guestbook.php --data-urlencode "line=$line"
}

@test "a page that comes out of the database through the unikernel" {
    field_is "$(container front)" '{{.HostConfig.Runtime}}' runuk
    run -0 docker exec "$(container front)" :info
    [[ $output == *front.* ]]
    run -0 docker top "$(container php)"
    [[ $output == *php-fpm* ]]
    run -0 docker top "$(container database)"
    [[ $output == *mariadbd* ]]
    run -0 browse guestbook.php
    [[ $output != *'<li>'* ]]
    write
    run -0 browse guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
    run -0 browse guestbook.php -L --data-urlencode 'line=<b>é"&'
    [[ $output == *'<li>&lt;b&gt;é&quot;&amp;</li>'*"<li>$line</li>"* ]]
}

@test "what the front serves itself, and what it refuses" {
    run -0 cmp "$TOP/contrib/compose/lamp/site/index.html" <(browse '')
    run -0 cmp "$TOP/contrib/compose/lamp/site/style.css" <(browse style.css)
    status_is 404 nowhere
    status_is 404 guestbook.php/x
    status_is 404 ../srv/guestbook.php --path-as-is
    status_is 404 nowhere.php
    status_is 405 style.css -d x=y
    status_is 400 guestbook.php -d line=
    status_is 413 guestbook.php -d "line=$(printf 'x%.0s' {1..9000})"
    status_is 411 guestbook.php -d line=x -H 'Transfer-Encoding: chunked'
    run -0 browse guestbook.php -I
    [[ $output == *'200 OK'* && $output != *Content-Length* ]]
}

@test "many at once, and pages of many segments" {
    local long
    long=$(printf 'x%.0s' {1..190})
    # shellcheck disable=SC2016 # variables of the inner shell
    inside bash -c 'for i in {1..60}; do curl -fsS -o /dev/null -d "line=$i-$1" http://127.0.0.1:8080/guestbook.php || exit 1; done' _ "$long"
    run -0 inside ab -q -n 300 -c 16 http://127.0.0.1:8080/guestbook.php
    [[ $output =~ 'Complete requests:'\ +300 && $output =~ 'Failed requests:'\ +0 && $output != *Non-2xx* ]]
    run -0 browse guestbook.php
    [[ ${#output} -gt 12000 && $output == *"<li>1-$long</li>"*'</html>'* ]]
}

@test "the front is started anew and goes on" {
    write
    compose restart -t 5 front
    eventually 20 status_is 200 guestbook.php
    run -0 browse guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
}

@test "while PHP is away the site stays, and PHP is found again at another address" {
    local before network
    write
    before=$(address "$(container php)")
    network=$(field "$(container php)" '{{.HostConfig.NetworkMode}}')
    docker stop -t 5 "$(container php)"
    status_is 200 style.css
    run -0 browse guestbook.php -i
    [[ $output == *'502 Bad Gateway'* ]]
    docker run -d --name squatter --network "$network" busybox sleep 600
    field_is squatter '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$before"
    docker start "$(container php)"
    [[ $(address "$(container php)") != "$before" ]]
    eventually 20 status_is 200 guestbook.php
    run -0 browse guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
    docker rm -f squatter
}

@test "the same front in QEMU, beside the other" {
    local context=$BATS_TEST_TMPDIR/context network
    mkdir "$context"
    cp "$BUILD/guests/front.pvh" "$context/"
    printf 'FROM scratch\nCOPY front.pvh /\nENTRYPOINT ["/front.pvh"]\n' >"$context/Dockerfile"
    docker build -q -t front.pvh "$context"
    write
    network=$(field "$(container php)" '{{.HostConfig.NetworkMode}}')
    docker run --runtime=runuk -d --name emulated --network "$network" -m 256m -p 8081:80 front.pvh \
        '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}' '--dns={dns}' --fastcgi=php
    run -0 eventually 30 inside curl -fsS --max-time 10 http://127.0.0.1:8081/guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
    run -0 docker top emulated
    [[ $output == *qemu* ]]
    docker rm -f emulated
}

@test "the database in a machine of its own: found by its name, stopped by its button, its lines on its disk" {
    local more=(-f "$TOP/contrib/compose/lamp/guest-database.yml")
    compose up -d --build database
    eventually 180 status_is 200 guestbook.php
    run -0 docker exec "$(container database)" :info
    [[ $output == *linux*qemu* ]]
    run -0 browse guestbook.php
    [[ $output != *'<li>'* ]]
    write
    compose restart database
    run -0 docker logs "$(container database)"
    [[ $output == *'mariadbd: Shutdown complete'* ]]
    eventually 120 status_is 200 guestbook.php
    run -0 browse guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
    compose stop -t 60 database
    field_is "$(container database)" '{{.State.ExitCode}}' 0
    more=()
    compose up -d database
}

@test "the database keeps its lines, and down leaves nothing" {
    write
    compose down --timeout 5
    traces >"$BATS_TEST_TMPDIR/before"
    compose up -d
    eventually 60 status_is 200 guestbook.php
    run -0 browse guestbook.php
    [[ $output == *"<li>$line</li>"* ]]
    compose down --timeout 5
    no_new_traces "$BATS_TEST_TMPDIR/before"
    compose down --volumes
    run -0 docker volume ls -q
    [[ -z $output ]]
}
