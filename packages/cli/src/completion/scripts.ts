/**
 * The scripts that shells load. Each only asks `authledger __complete` and hands on what it says: a first line with
 * directives (`:nospace`, `:files`, `:directories`), then a candidate a line, a tab before its description.
 */
import type { SHELLS } from "./candidates.js";

const BASH = `# bash: . <(authledger completion bash), or put it into ~/.bashrc
_authledger() {
  local program=\${COMP_WORDS[0]/#\\~/$HOME} current=\${COMP_WORDS[COMP_CWORD]} answer line first=1 directives=
  COMPREPLY=()
  answer=$("$program" __complete --shell bash --line "$COMP_LINE" --point "$COMP_POINT" \\
    --breaks "$COMP_WORDBREAKS" --kind "$COMP_TYPE" 2>/dev/null) || return 0
  while IFS= read -r line; do
    if [ -n "$first" ]; then
      directives=$line first=
    elif [ -n "$line" ]; then
      COMPREPLY+=("$line")
    fi
  done <<<"$answer"
  case $directives in *nospace*) compopt -o nospace 2>/dev/null ;; esac
  case $directives in
    *files*) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$current")) ;;
    *directories*) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$current")) ;;
  esac
}
complete -F _authledger authledger
`;

const ZSH = `#compdef authledger
# zsh: . <(authledger completion zsh), after compinit
_authledger() {
  local -a answer values
  local line value
  answer=("\${(@f)$("\${words[1]}" __complete --shell zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  local directives=\${answer[1]}
  for line in "\${(@)answer[2,-1]}"; do
    [[ -z $line ]] && continue
    value=\${line%%$'\\t'*}
    values+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#values} )); then
    if [[ $directives == *nospace* ]]; then
      _describe -V authledger values -S ''
    else
      _describe -V authledger values
    fi
  fi
  [[ $directives == *files* ]] && _files
  [[ $directives == *directories* ]] && _files -/
}
compdef _authledger authledger
`;

const FISH = `# fish: authledger completion fish | source
function __authledger_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l answer ($program __complete --shell fish -- $words "$current" 2>/dev/null)
    or return
    set -l directives $answer[1]
    set -e answer[1]
    printf '%s\\n' $answer
    string match -q '*files*' -- $directives; and __fish_complete_path "$current"
    string match -q '*directories*' -- $directives; and __fish_complete_directories "$current"
end
complete -c authledger -f -a '(__authledger_complete)'
`;

const POWERSHELL = `# PowerShell: authledger completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName authledger -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $start = $commandAst.Extent.StartOffset
    $point = $cursorPosition - $start
    $line = $commandAst.ToString().PadRight($point)
    $program = $commandAst.CommandElements[0].ToString()
    $answer = @(& $program __complete --shell powershell --line $line --point $point 2>$null)
    $answer | Select-Object -Skip 1 | Where-Object { $_ } | ForEach-Object {
        $value, $description = $_ -split "\`t", 2
        if (-not $description) { $description = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $description)
    }
}
`;

export const COMPLETION_SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
};
