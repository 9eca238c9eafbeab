# Verifies on a real Windows what Wine cannot show. Run it as an administrator
# after the installation:
#
#   powershell -ExecutionPolicy Bypass -File verify.ps1 [-OtherUser NAME]
#
# Each line is "ok" or "FAILED" and what was looked at. It exits with how many
# failed.
param([string]$OtherUser = "")

$failed = 0
$pipe = "segbroker"
$segctl = Join-Path $env:ProgramFiles "segbroker\segctl.exe"

function Check([string]$what, [scriptblock]$holds) {
    $good = $false
    try { $good = [bool](& $holds) } catch { $what += " ($_)" }
    if ($good) { "ok      $what" } else { "FAILED  $what"; $script:failed++ }
}

Check "the service runs" { (Get-Service segbroker).Status -eq "Running" }
Check "it has its own account" {
    (Get-CimInstance Win32_Service -Filter "Name='segbroker'").StartName -eq
        "NT SERVICE\segbroker"
}
Check "it starts delayed" {
    (sc.exe qc segbroker) -match "DELAYED"
}
Check "it is started again when it fails" {
    (sc.exe qfailure segbroker) -match "RESTART"
}
Check "its SID is unrestricted" {
    (sc.exe qsidtype segbroker) -match "UNRESTRICTED"
}
Check "it has three privileges and no more" {
    $said = (sc.exe qprivs segbroker) -join " "
    ($said -match "SeImpersonatePrivilege") -and
        ($said -match "SeChangeNotifyPrivilege") -and
        ($said -match "SeLockMemoryPrivilege") -and
        ([regex]::Matches($said, "Se\w+Privilege").Count -eq 3)
}
Check "the pipe says who may do what" {
    $client = New-Object IO.Pipes.NamedPipeClientStream(".", $pipe,
        [IO.Pipes.PipeDirection]::InOut, [IO.Pipes.PipeOptions]::None,
        [Security.Principal.TokenImpersonationLevel]::Anonymous)
    $client.Connect(5000)
    $sddl = $client.GetAccessControl().GetSecurityDescriptorSddlForm("Access")
    $client.Dispose()
    ($sddl -match "\(D;;[^)]*;;;NU\)") -and ($sddl -match "0x12019b;;;AU\)")
}
Check "nobody makes another instance of the pipe" {
    try {
        $server = New-Object IO.Pipes.NamedPipeServerStream($pipe,
            [IO.Pipes.PipeDirection]::InOut, 254)
        $server.Dispose()
        $false
    } catch [UnauthorizedAccessException] { $true } catch [IO.IOException] {
        $true
    }
}
Check "the broker knows who asks" {
    $you = (& $segctl info --json | ConvertFrom-Json).you
    $you -like ("*" + $env:USERNAME)
}
Check "a segment is made and read" {
    "verified" | & $segctl put verify --persist | Out-Null
    $read = & $segctl cat verify
    & $segctl remove verify | Out-Null
    $read -match "verified"
}
Check "large pages are made, or no such piece of memory is free" {
    $features = (& $segctl info --json | ConvertFrom-Json).features
    $said = & $segctl create verify-pages 2M --pages 2M --persist 2>&1 |
        Out-String
    & $segctl remove verify-pages 2>&1 | Out-Null
    ($features -contains "huge-2M") -and ($said -match "ready|no-memory")
}
Check "memory is placed on a node" {
    $said = & $segctl create verify-node 1M --numa 0 --persist 2>&1 |
        Out-String
    & $segctl remove verify-node 2>&1 | Out-Null
    $said -match "ready"
}
Check "more memory than there is, is refused" {
    $dropin = Join-Path $env:ProgramData "segbroker\conf.d\verify.conf"
    $program = Join-Path $env:ProgramFiles "segbroker\segbrokerd.exe"
    Set-Content $dropin @"
[total]
bytes = unlimited
segment_bytes = unlimited
[default]
bytes = unlimited
segment_bytes = unlimited
"@
    try {
        & $program reload
        Start-Sleep 2
        $said = & $segctl create verify-large 64T 2>&1 | Out-String
    } finally {
        Remove-Item $dropin
        & $program reload
    }
    $said -match "no-memory"
}
Check "a copy-on-write protection makes a copy" {
    Add-Type -Namespace Verify -Name Memory -MemberDefinition @'
[DllImport("kernel32")] public static extern IntPtr CreateFileMappingW(
    IntPtr file, IntPtr security, uint protection, uint high, uint low,
    IntPtr name);
[DllImport("kernel32")] public static extern IntPtr MapViewOfFile(
    IntPtr section, uint access, uint high, uint low, UIntPtr size);
[DllImport("kernel32")] public static extern bool VirtualProtect(
    IntPtr at, UIntPtr size, uint protection, out uint before);
'@
    $size = [UIntPtr]::new(4096)
    $section = [Verify.Memory]::CreateFileMappingW([IntPtr]::new(-1),
        [IntPtr]::Zero, 0x04, 0, 4096, [IntPtr]::Zero)  # PAGE_READWRITE
    $truth = [Verify.Memory]::MapViewOfFile($section, 6, 0, 0, $size)
    $view = [Verify.Memory]::MapViewOfFile($section, 4, 0, 0, $size)
    $before = 0
    if ([Verify.Memory]::VirtualProtect($view, $size, 0x08, [ref]$before)) {
        [Runtime.InteropServices.Marshal]::WriteByte($view, 1)
    }
    [Runtime.InteropServices.Marshal]::ReadByte($truth) -eq 0
}
if ($OtherUser) {
    Check "another user is served, as himself" {
        $out = New-TemporaryFile
        Start-Process $segctl -ArgumentList "info" -Wait `
            -Credential (Get-Credential $OtherUser) `
            -RedirectStandardOutput $out
        (Get-Content $out) -match $OtherUser
    }
    Check "a segment of another user is his" {
        Start-Process $segctl -ArgumentList "create verify-his 4096 --persist" `
            -Wait -Credential (Get-Credential $OtherUser)
        $found = & $segctl list --json | ConvertFrom-Json |
            Where-Object { $_.name -eq "verify-his" }
        & $segctl remove --id $found.segment | Out-Null
        ($found.owner -match $OtherUser) -and ($found.may -eq "none")
    }
}
Check "the configuration is the administrators'" {
    $acl = Get-Acl (Join-Path $env:ProgramData "segbroker")
    $acl.Owner -match "Administrators|SYSTEM" -and -not ($acl.Access | Where-Object {
            $_.IdentityReference -like "*\Users" -and
            $_.FileSystemRights -match "Write|Modify|FullControl" })
}
Check "a second service does not start" {
    $program = Join-Path $env:ProgramFiles "segbroker\segbrokerd.exe"
    & $program run 2>&1 | Out-Null
    $LASTEXITCODE -ne 0
}
Check "events have their text" {
    (Get-WinEvent -FilterHashtable @{ LogName = "Application"
            ProviderName = "segbroker" } -MaxEvents 1).Message -match "\w"
}

"$failed failed"
exit $failed
