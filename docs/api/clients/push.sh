# A client of the CRM API for shells, over curl 7.71 or newer:  . ./push.sh
# PUSH_API and PUSH_KEY say where and who. Answers go to stdout; errors go to stderr, and the status is not 0.

# push METHOD PATH [BODY [IDEMPOTENCY_KEY]]: tried again after lost connections, 429 and 5xx, as Retry-After says.
# A POST to /messages needs a key; the same key again answers the same and sends nothing twice.
push() {
  _answer=$(mktemp) || return 2
  _status=$(curl --silent --show-error --max-time 30 --output "$_answer" --write-out '%{http_code}' \
    --retry "${PUSH_RETRIES-5}" --retry-all-errors --request "$1" "$PUSH_API$2" \
    --header "Authorization: Bearer $PUSH_KEY" \
    ${3:+--header "Content-Type: application/json" --data-binary "$3"} ${4:+--header "Idempotency-Key: $4"})
  case $_status in
    2??) cat "$_answer" && echo && rm -f "$_answer" ;;
    *) cat "$_answer" >&2 && echo >&2 && rm -f "$_answer" && return 1 ;;
  esac
}
