-- What wixl has no words for, one query a line, for msibuild. Lines that begin with
-- dashes are for people.
--
-- What people may have changed stays: never overwritten (128), never taken away (16),
-- of 64 bits (256).
UPDATE `Component` SET `Attributes` = 400 WHERE `Component` = 'serverconf'
UPDATE `Component` SET `Attributes` = 400 WHERE `Component` = 'clientconf'
-- Strings in which variables count (REG_EXPAND_SZ).
UPDATE `Registry` SET `Value` = '#%%SystemRoot%\System32\EventCreate.exe' WHERE `Name` = 'EventMessageFile'
-- The registry is that of 64 bits (16), of which a value is read as it is (2).
UPDATE `RegLocator` SET `Type` = 18
-- Features are not advertised.
UPDATE `Feature` SET `Attributes` = 8
-- What a person without rights may hand to the installer, which has them.
UPDATE `Property` SET `Value` = 'CLIENTSTART;FIREWALL;INSTALLDIR;WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED' WHERE `Property` = 'SecureCustomProperties'
INSERT INTO `LaunchCondition` (`Condition`, `Description`) VALUES ('Installed OR VersionNT >= 603', 'Open Remote PED needs Windows 10 or Windows Server 2016, or a later one.')
-- The programs' folder on the PATH of all users.
CREATE TABLE `Environment` (`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, `Value` CHAR(255) LOCALIZABLE, `Component_` CHAR(72) NOT NULL PRIMARY KEY `Environment`)
INSERT INTO `Environment` (`Environment`, `Name`, `Value`, `Component_`) VALUES ('path', '=-*PATH', '[~];[INSTALLDIR]', 'path')
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('RemoveEnvironmentStrings', 3300)
INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('WriteEnvironmentStrings', 5200)
-- Folders, access lists, the group, and what happens after a failure are the
-- programs' own work (-service prepare): the installer has no words for all of it, and
-- so they are as -service install makes them. With the system's rights (2048), when
-- the service is there (1024: deferred); a failure takes the installation back. Type
-- 18 is a program that was installed.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('PrepareServer', 3090, 'pedserver.exe', '-service prepare')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('PrepareClient', 3090, 'pedclient.exe', '-service prepare')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('PrepareServer', '$pedserver = 3', 5810)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('PrepareClient', '$pedclient = 3', 5811)
-- pedclient starts as it did before an upgrade: with the computer (#2), if somebody
-- has said so. Type 34 is a program of Windows'; 64: its failure takes nothing back.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ClientAtBoot', 3170, 'INSTALLDIR', '"[System64Folder]sc.exe" config pedclient start= auto')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ClientAgain', 3154, 'pedclient.exe', '-service start')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ClientAtBoot', '$pedclient = 3 AND CLIENTSTART = "#2"', 5820)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ClientAgain', '$pedclient = 3 AND CLIENTSTART = "#2"', 5910)
-- The firewall lets others reach pedserver if that was asked for. An upgrade keeps
-- the rule, which is for a path.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('OpenFirewall', 3106, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall add rule name="Open Remote PED: pedserver" dir=in action=allow protocol=TCP program="[INSTALLDIR]pedserver.exe" profile=domain,private')
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('CloseFirewall', 3170, 'INSTALLDIR', '"[System64Folder]netsh.exe" advfirewall firewall delete rule name="Open Remote PED: pedserver"')
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('OpenFirewall', '$pedserver = 3 AND FIREWALL = "1"', 5830)
INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('CloseFirewall', '($pedserver = 2 OR ($pedserver = 3 AND FIREWALL = "1")) AND NOT UPGRADINGPRODUCTCODE', 2010)
